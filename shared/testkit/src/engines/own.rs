//! A private engine: a test may kill it, freeze it and start it again.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::engines::{NOT_INSTALLED, Process, scripts, signal_all, state, tools};
use tokio::time::{sleep, timeout};

use super::{Answer, Kind, ask};
use crate::platform::PortBlock;
use crate::skips;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);
/// One question may take this long.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// A JVM on a busy machine with two cores takes a while.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// Lines of its log shown when it does not start.
const TAIL_LINES: usize = 20;

/// A private engine with the same durable settings as the shared one. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct OwnEngine {
    kind: Kind,
    folder: PathBuf,
    child: Option<Child>,
    // Held for its Drop: nobody else takes the port while the engine is dead.
    ports: PortBlock,
}

impl OwnEngine {
    /// Starts one and waits until it answers; `None` after skipping `test` aloud when its program is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start, with the end of its log; when there is none and
    /// `ORRERY_REQUIRE_ENGINES=1` forbids skipping.
    pub async fn start(kind: Kind, test: &str) -> Option<Self> {
        let own = state().join("own");
        std::fs::create_dir_all(&own).expect("a folder for private engines");
        ::engines::sweep(&own);
        let folder = own.join(super::fresh_name(kind.name()));
        std::fs::create_dir(&folder).expect("a fresh folder");
        let mut engine = Self {
            kind,
            folder,
            child: None,
            ports: PortBlock::reserve(),
        };
        if let Err(why) = engine.launch().await {
            let installed = why.status != Some(NOT_INSTALLED);
            assert!(!installed, "{} for {test}: {}", kind.name(), why.text);
            drop(engine);
            skips::skip_engine(test, &why.text);
            return None;
        }
        Some(engine)
    }

    /// Its base URL, without schema, keyspace or prefix.
    pub fn url(&self) -> String {
        self.kind.url_at(&[self.address()])
    }

    /// Where it listens; the same over all its lives.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.base()))
    }

    /// Kills it and its children with SIGKILL and returns when they are gone. No-op when it does not run.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Some(process) = Process::of(child.id()) {
            process.kill();
        }
        // It cannot refuse SIGKILL.
        let _ = child.wait();
    }

    /// Starts it again on the same port and data, and waits until it answers; kills it first if it runs.
    ///
    /// # Panics
    /// When it does not start, with the end of its log.
    pub async fn restart(&mut self) {
        self.kill();
        if let Err(why) = self.launch().await {
            panic!("{} again: {}", self.kind.name(), why.text);
        }
    }

    /// Freezes it with SIGSTOP: it keeps its connections and says nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// The end of what it has printed so far.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn signal(&self, name: &str) {
        if let Some(process) = self.child.as_ref().and_then(|child| Process::of(child.id())) {
            signal_all(name, &process.family());
        }
    }

    async fn launch(&mut self) -> Result<(), Failure> {
        let script = scripts().join(self.kind.name()).join("start.sh");
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join("log"))
            .expect("a log file");
        let mut child = Command::new("bash")
            .arg(&script)
            .arg(&self.folder)
            .arg(self.ports.base().to_string())
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
        let address = self.address();
        let ready = timeout(READY_WITHIN, async {
            loop {
                if let Some(status) = child.try_wait().expect("the child can be asked") {
                    return Err(status.code());
                }
                if let Ok(Answer::Ready(_)) = ask(self.kind, address, ASK_TIMEOUT).await {
                    return Ok(());
                }
                sleep(POLL).await;
            }
        });
        let outcome = ready.await;
        self.child = Some(child);
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => Err(self.failure(status, "ended early")),
            Err(_) => Err(self.failure(None, "does not answer")),
        }
    }

    fn failure(&mut self, status: Option<i32>, what: &str) -> Failure {
        self.kill();
        let text = format!("{what}; the end of its log:\n{}", self.log_tail());
        Failure { status, text }
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        self.kill();
        ::engines::remove(&self.folder);
    }
}

/// Why an engine did not start.
struct Failure {
    status: Option<i32>,
    text: String,
}
