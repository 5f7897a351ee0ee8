//! The test binaries that cargo built, and how one is run: what `cargo test` would do, in an order and with threads of our own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run::{Outcome, line_of, root};

/// One test binary.
#[derive(Debug)]
pub(super) struct Binary {
    /// The file that it was built from, under the workspace's root.
    pub(super) source: String,
    program: PathBuf,
    /// The package's folder: where cargo would run it.
    folder: PathBuf,
}

/// Builds them with a `cargo test`, and says which there are.
pub(super) fn built(mut cargo_test: Command) -> Result<Vec<Binary>, String> {
    cargo_test.args([
        "--no-run",
        "--quiet",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let line = line_of(&cargo_test);
    let output = cargo_test
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("`{line}` did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut binaries: Vec<Binary> = messages.lines().filter_map(told).collect();
    binaries.sort_by(|a, b| a.source.cmp(&b.source));
    if binaries.is_empty() {
        return Err(format!("`{line}` told of no test binary"));
    }
    Ok(binaries)
}

/// What one of cargo's messages tells of a test binary.
fn told(message: &str) -> Option<Binary> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let source = PathBuf::from(message["target"]["src_path"].as_str()?);
    let source = source.strip_prefix(root()).unwrap_or(&source);
    Some(Binary {
        source: source.display().to_string(),
        program: message["executable"].as_str()?.into(),
        folder: PathBuf::from(message["manifest_path"].as_str()?)
            .parent()?
            .to_path_buf(),
    })
}

impl Binary {
    /// What runs it as cargo would.
    pub(super) fn command(&self) -> Command {
        let mut run = Command::new(&self.program);
        run.current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        run
    }
}

/// Runs to the end and hands over each line of what it prints.
pub(super) fn lines(mut command: Command, mut each: impl FnMut(&str)) -> Outcome {
    let line = line_of(&command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("`{line}` did not start: {e}"))?;
    let printed = child.stdout.take().ok_or("no stdout")?;
    for printed in BufReader::new(printed).split(b'\n').map_while(Result::ok) {
        each(&String::from_utf8_lossy(&printed));
    }
    let status = child.wait().map_err(|e| format!("`{line}`: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}` failed ({status})"))
    }
}

#[cfg(test)]
mod tests {
    use super::told;
    use crate::run::root;

    #[test]
    fn a_test_binary_is_known_by_its_source_and_runs_in_its_package() {
        let root = root().display().to_string();
        let message = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{root}/services/payment/Cargo.toml","target":{{"kind":["test"],"name":"payment","src_path":"{root}/services/payment/tests/payment.rs"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let binary = told(&message(true, "\"/t/payment-1\"")).expect("a test binary");
        assert_eq!(binary.source, "services/payment/tests/payment.rs");
        let run = binary.command();
        assert_eq!(run.get_program(), "/t/payment-1");
        let folder = format!("{root}/services/payment");
        assert_eq!(
            run.get_current_dir().map(|f| f.display().to_string()),
            Some(folder)
        );
        // The program under test, and a library.
        assert!(told(&message(false, "\"/t/orrery\"")).is_none());
        assert!(told(&message(true, "null")).is_none());
        assert!(told(r#"{"reason":"build-finished","success":true}"#).is_none());
    }
}
