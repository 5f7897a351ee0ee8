//! What runs beside the tests, only while nobody else wants a core: they wait for clocks and engines a good part of their time.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use super::now;
use crate::rules::{self, Unchecked};
use crate::run::{Outcome, cargo, idle, target};

/// Clippy, Prometheus' program for rules and alerts, and what documentation shows.
pub(super) struct Beside {
    pub(super) lints: Result<Cargo, String>,
    pub(super) documentation: Result<Cargo, String>,
    pub(super) rules: JoinHandle<(Result<String, Unchecked>, Duration)>,
}

impl Beside {
    /// Starts all of it; `documentation` is the `cargo test` that ran before, so that nothing is built again.
    pub(super) fn begin(documentation: Command) -> Self {
        Self {
            lints: clippy(),
            documentation: Cargo::begin("documentation", documentation),
            rules: std::thread::spawn(|| {
                let started = now();
                let outcome = rules::check();
                (outcome, started.elapsed())
            }),
        }
    }
}

/// In the folder of the tests, where build scripts and macros are built already: it may wait for the documentation's cargo.
fn clippy() -> Result<Cargo, String> {
    let words = "clippy --workspace --all-targets --all-features --quiet -- -D warnings";
    let mut clippy = idle(cargo().get_program());
    clippy.args(words.split(' '));
    Cargo::begin("clippy", clippy)
}

/// A cargo under way, which writes into a file. Dropping it ends it.
pub(super) struct Cargo {
    what: &'static str,
    child: Child,
    log: PathBuf,
}

impl Cargo {
    fn begin(what: &'static str, mut run: Command) -> Result<Self, String> {
        let folder = target().join("beside");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let log = folder.join(what);
        let failed = |e: std::io::Error| format!("{}: {e}", log.display());
        let out = File::create(&log).map_err(failed)?;
        let err = out.try_clone().map_err(failed)?;
        let child = run
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| format!("{what} did not start: {e}"))?;
        Ok(Self { what, child, log })
    }

    /// Waits for its end, and hands over each line of what it said.
    pub(super) fn passed(mut self, each: impl FnMut(&str)) -> Outcome {
        let status = self.child.wait().map_err(|e| format!("{}: {e}", self.what))?;
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        print!("{said}");
        said.lines().for_each(each);
        if status.success() {
            Ok(())
        } else {
            Err(format!("{} failed ({status}), see above", self.what))
        }
    }
}

impl Drop for Cargo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
