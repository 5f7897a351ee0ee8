//! The README's form on real engines, run as it is written.
//!
//! Put in place of what differs on every machine: the port bases, the settings file that `cargo xtask engines up` writes (the same
//! text, with names of this test's own on the engines), and `orrery`, which is the binary that cargo built for this test.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engines::{Listed, settings_file, state};
use tempfile::TempDir;
use testkit::engines::fresh_name;
use testkit::platform::PortBlock;
use testkit::skips;

use super::fleet::EngineUrls;
use crate::platform::binary;
use crate::platform::readme::{ON_REAL_ENGINES, Step, bash, prints_as_told, readme, steps};

/// How long a role may take to be ready.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_on_real_engines_runs_and_prints_what_it_says() {
    let test = "each_command_on_real_engines_runs_and_prints_what_it_says";
    // It says aloud which engine is missing.
    if EngineUrls::shared(test).is_none() {
        return;
    }
    if !skips::on_path("curl") || !skips::on_path("bash") {
        return skips::skip(test, "curl or bash is not installed");
    }
    let _turn = crate::turn::shared().await;
    let place = Place::new();
    let readme = readme();
    let (_, shown) = readme.split_once(ON_REAL_ENGINES).expect("both forms are shown");
    let mut roles = Vec::new();
    let mut lines = Vec::new();
    for step in &steps(shown) {
        let command = step.command.as_str();
        if let Some(role) = command.strip_suffix(" &") {
            roles.push(place.starts(step, role).await);
        } else if ["cargo ", "alias "]
            .iter()
            .any(|start| command.starts_with(start))
        {
            // What they do stands already: the engines run, and this binary is built.
        } else {
            lines.push(place.holds(command));
            let printed = bash(&format!(
                "cd '{}'\n{}",
                place.folder.path().display(),
                lines.join("\n")
            ))
            .await;
            prints_as_told(step, &place.as_told(&printed));
            // A variable is needed by the lines after it; an effect must not happen twice.
            if !command.contains("=$(") {
                lines.pop();
            }
        }
    }
    assert_eq!(roles.len(), 5, "the README starts five processes");
}

struct Place {
    folder: TempDir,
    ports: [PortBlock; 2],
}

/// A role's process; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = [PortBlock::reserve(), PortBlock::reserve()];
        let listed = Listed::read(&state().join("engines.json")).expect("the list can be read");
        let text = settings_file(&listed, &fresh_name("readme"), ports[0].base(), folder.path());
        let file = folder.path().join("orrery.toml");
        std::fs::write(file, text.expect("every engine is listed")).expect("the settings are written");
        Self { folder, ports }
    }

    fn orrery(&self) -> String {
        let file = self.folder.path().join("orrery.toml");
        format!("'{}' --config '{}'", binary().display(), file.display())
    }

    fn holds(&self, command: &str) -> String {
        let [first, second] = self.ports.each_ref().map(|ports| ports.base().to_string());
        command
            .replace("8080", &first)
            .replace("8180", &second)
            .replace("orrery token", &format!("{} token", self.orrery()))
    }

    fn as_told(&self, printed: &str) -> String {
        printed.replace(&self.ports[0].base().to_string(), "8080")
    }

    /// Starts what the line starts, and waits for what it is said to print.
    async fn starts(&self, step: &Step, line: &str) -> Running {
        let words = line.strip_prefix("orrery ").expect("a role of this program");
        let mut command = words.replace("8180", &self.ports[1].base().to_string());
        if !command.contains("--port-base") {
            command = format!("{command} --port-base {}", self.ports[0].base());
        }
        let name = format!("{}.log", command.replace([' ', '/'], "-"));
        let log = self.folder.path().join(name);
        let out = std::fs::File::create(&log).expect("a log");
        let err = out.try_clone().expect("a log");
        let mut start = Command::new("bash");
        start
            .args(["-c", &format!("exec {} {command}", self.orrery())])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ORRERY_") {
                start.env_remove(name);
            }
        }
        let running = Running(start.spawn().expect("bash starts"));
        let printed = || std::fs::read_to_string(&log).unwrap_or_default();
        let ready = async {
            while !printed().contains("is ready after") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ready).await;
        assert!(waited.is_ok(), "`{line}` is not ready:\n{}", printed());
        prints_as_told(step, &printed());
        running
    }
}
