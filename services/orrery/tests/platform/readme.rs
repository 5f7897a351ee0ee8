//! The README's commands, run as they are written, and its transcript held against what is really printed.
//!
//! Only what differs on every machine is put in their place: the port base, the data folder, and `cargo run`, which is the
//! binary that cargo built for this test. In the transcript `…` stands for anything.

use std::process::Stdio;

use testkit::platform::{Options, Platform};
use testkit::skips;
use tokio::process::Command;

use super::binary;

/// What comes after it is run by `engines/readme.rs`.
pub(crate) const ON_REAL_ENGINES: &str = "## On real engines";

/// One command of the README and what it is said to print.
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) prints: Vec<String>,
}

#[tokio::test]
async fn each_command_of_the_readme_runs_and_prints_what_it_says() {
    if !skips::on_path("curl") || !skips::on_path("bash") {
        return skips::skip(
            "each_command_of_the_readme_runs_and_prints_what_it_says",
            "curl or bash is not installed",
        );
    }
    let readme = readme();
    let (embedded, _) = readme.split_once(ON_REAL_ENGINES).expect("both forms are shown");
    let steps = steps(embedded);
    let platform = Platform::start(binary(), Options::default()).await;
    let mut shell_lines = Vec::new();
    let mut checked = 0;
    for step in &steps {
        match step.command.as_str() {
            // A clone is what this test stands in.
            clone if clone.starts_with("git clone") || clone.starts_with("cd ") => {}
            "cargo run" => starts_the_platform(step, &platform).await,
            "cargo xtask test" => is_what_ci_runs(),
            _ => {
                shell_lines.push(in_this_place(&step.command, &platform));
                let printed = bash(&shell_lines.join("\n"))
                    .await
                    .replace(&platform.port_base().to_string(), "8080");
                prints_as_told(step, &printed);
                // A variable is needed by the lines after it; an effect must not happen twice.
                if !step.command.contains("=$(") {
                    shell_lines.pop();
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 4, "the README's transcript is gone");
}

/// `cargo run` starts this binary, and what it prints is what the README shows.
async fn starts_the_platform(step: &Step, platform: &Platform) {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        workspace.contains("default-members = [\"services/orrery\"]"),
        "a plain `cargo run` starts the platform"
    );
    let expected = step.prints.last().cloned().unwrap_or_default();
    let wait = async {
        while !platform.output().contains("Ctrl-C") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), wait)
        .await
        .unwrap_or_else(|_| panic!("{}", platform.tail()));
    let printed = platform
        .output()
        .replace(&platform.port_base().to_string(), "8080");
    assert!(
        printed.lines().any(|line| matches(&expected, line)),
        "`{expected}` is not printed:\n{printed}"
    );
}

fn is_what_ci_runs() {
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(
        ci.lines().any(|line| line == "cargo xtask test"),
        "CI calls the README's test command"
    );
}

pub(crate) fn prints_as_told(step: &Step, printed: &str) {
    for line in &step.prints {
        assert!(
            printed.lines().any(|real| matches(line, real)),
            "README: `{}` is said to print\n  {line}\nbut prints\n{printed}",
            step.command
        );
    }
}

/// The parts around each `…` stand in the real line, in order.
fn matches(told: &str, real: &str) -> bool {
    let mut rest = real;
    for (position, part) in told.split('…').enumerate() {
        let Some(at) = rest.find(part) else { return false };
        if position == 0 && at != 0 {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || told.ends_with('…')
}

fn in_this_place(command: &str, platform: &Platform) -> String {
    let program = format!("'{}' --data '{}'", binary().display(), platform.data().display());
    command
        .replace("cargo run -q --", &program)
        .replace("8080", &platform.port_base().to_string())
}

pub(crate) async fn bash(script: &str) -> String {
    let output = Command::new("bash")
        .arg("-euc")
        .arg(script)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(
        output.status.success(),
        "{script}\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Lines of `sh` blocks, and of `console` blocks those behind a `$ `, with the lines printed after each.
pub(crate) fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block = None;
    for line in readme.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            block = if block.is_some() || kind.is_empty() {
                None
            } else {
                Some(kind.to_owned())
            };
            continue;
        }
        let command = match block.as_deref() {
            Some("sh") => Some(line.split(" #").next().unwrap_or(line).trim()),
            Some("console") => line.strip_prefix("$ "),
            _ => continue,
        };
        match (command, steps.last_mut()) {
            (Some(""), _) => {}
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                prints: Vec::new(),
            }),
            (None, Some(step)) if !line.trim().is_empty() => step.prints.push(line.to_owned()),
            (None, _) => {}
        }
    }
    steps
}

pub(crate) fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README")
}

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
