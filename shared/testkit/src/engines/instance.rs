//! One process of a private engine or watcher, and its folder.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::engines::{Answer, NOT_INSTALLED, Process, Program, signal_all, state, tools};
use tokio::time::{sleep, timeout};

use crate::skips;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);
/// One question may take this long.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// A JVM on a busy machine with two cores takes a while.
const READY_WITHIN: Duration = Duration::from_mins(4);
/// Lines of its log shown when it does not start.
const TAIL_LINES: usize = 20;

/// A private process with a folder of its own. Dropping it kills it and removes its data.
#[derive(Debug)]
pub(crate) struct Instance {
    program: Program,
    folder: PathBuf,
    address: SocketAddr,
    arguments: Vec<String>,
    child: Option<Child>,
}

/// Why a process did not start.
#[derive(Debug)]
pub(crate) struct Failure {
    program: Program,
    status: Option<i32>,
    text: String,
}

impl Failure {
    /// Skips `test` aloud when the program is not installed.
    ///
    /// # Panics
    /// When it is installed and did not start.
    pub(crate) fn skip(&self, test: &str) {
        let installed = self.status != Some(NOT_INSTALLED);
        assert!(!installed, "{} for {test}: {}", self.program.name(), self.text);
        skips::skip_engine(test, &self.text);
    }
}

impl Instance {
    /// A fresh folder for a process that will serve at `address`; it does not run yet.
    pub(crate) fn prepare(program: impl Into<Program>, address: SocketAddr, arguments: Vec<String>) -> Self {
        let program = program.into();
        let own = state().join("own");
        std::fs::create_dir_all(&own).expect("a folder for private engines");
        ::engines::sweep(&own);
        let folder = own.join(super::fresh_name(program.name()));
        std::fs::create_dir(&folder).expect("a fresh folder");
        Self {
            program,
            folder,
            address,
            arguments,
            child: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it without waiting; kills it first if it runs.
    pub(crate) fn spawn(&mut self) {
        self.kill();
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join("log"))
            .expect("a log file");
        let child = Command::new("bash")
            .arg(self.program.script())
            .arg(&self.folder)
            .arg(self.address.port().to_string())
            .args(&self.arguments)
            .env("ORRERY_ENGINES_TOOLS", tools())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            // A Ctrl-C at the test run is not meant for it; Drop and the next sweep are.
            .process_group(0)
            .spawn()
            .expect("bash starts");
        if let (Some(engine), Some(test)) = (Process::of(child.id()), Process::own()) {
            std::fs::write(self.folder.join("pids"), format!("{engine} {test}")).expect("a pid file");
        }
        self.child = Some(child);
    }

    /// Waits until it answers; kills it when it does not.
    pub(crate) async fn answers(&mut self) -> Result<(), Failure> {
        let ready = timeout(READY_WITHIN, async {
            while !self.is_ready().await {
                if let Some(child) = &mut self.child
                    && let Some(status) = child.try_wait().expect("the child can be asked")
                {
                    return Err(status.code());
                }
                sleep(POLL).await;
            }
            Ok(())
        });
        let (status, what) = match ready.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(status)) => (status, "ended early"),
            Err(_) => (None, "does not answer"),
        };
        self.kill();
        Err(Failure {
            program: self.program,
            status,
            text: format!("{what}; the end of its log:\n{}", self.log_tail()),
        })
    }

    async fn is_ready(&self) -> bool {
        let (program, address) = (self.program, self.address);
        // The question blocks its thread.
        let asked = tokio::task::spawn_blocking(move || program.ask(address, ASK_TIMEOUT)).await;
        matches!(asked, Ok(Ok(Answer::Ready(_))))
    }

    /// Starts it again on the same port and data, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        self.spawn();
        if let Err(why) = self.answers().await {
            panic!("{} again: {}", self.program.name(), why.text);
        }
    }

    /// Kills it and its children with SIGKILL and returns when they are gone. No-op when it does not run.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Some(process) = Process::of(child.id()) {
            process.kill();
        }
        // It cannot refuse SIGKILL.
        let _ = child.wait();
    }

    /// Sends a signal to it and its children.
    pub(crate) fn signal(&self, name: &str) {
        if let Some(process) = self.child.as_ref().and_then(|child| Process::of(child.id())) {
            let family = process.family();
            signal_all(name, &family);
            if name == "STOP" {
                for process in family {
                    process.wait_stopped(2);
                }
            }
        }
    }

    /// The end of what it has printed so far.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        ::engines::remove(&self.folder);
    }
}
