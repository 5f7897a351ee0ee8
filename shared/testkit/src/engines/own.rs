//! A private engine: a test may kill it, freeze it and start it again.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Answer, Kind, ask, folders, process};
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
/// `start.sh` ends with this status when the program is not installed.
const NOT_INSTALLED: i32 = 69;

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
        let own = folders::state().join("own");
        std::fs::create_dir_all(&own).expect("a folder for private engines");
        sweep(&own);
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
        self.kind.url_at(self.address())
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
        let family = process::family(child.id());
        process::signal("KILL", &family);
        // It cannot refuse SIGKILL.
        let _ = child.wait();
        process::wait_gone(&family);
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
        if let Some(child) = &self.child {
            process::signal(name, &process::family(child.id()));
        }
    }

    async fn launch(&mut self) -> Result<(), Failure> {
        let script = folders::scripts().join(self.kind.name()).join("start.sh");
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join("log"))
            .expect("a log file");
        let mut child = Command::new("bash")
            .arg(&script)
            .arg(&self.folder)
            .arg(self.ports.base().to_string())
            .env("ORRERY_ENGINES_TOOLS", folders::tools())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            // A Ctrl-C at the test run is not meant for it; Drop and the next sweep are.
            .process_group(0)
            .spawn()
            .expect("bash starts");
        let note = format!("{} {}", child.id(), std::process::id());
        std::fs::write(self.folder.join("pids"), note).expect("a pid file");
        let address = self.address();
        let ready = timeout(READY_WITHIN, async {
            loop {
                if let Some(status) = child.try_wait().expect("the child can be asked") {
                    return Err(status.code());
                }
                if let Ok(Ok(Answer::Ready)) = timeout(ASK_TIMEOUT, ask(self.kind, address)).await {
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
        remove(&self.folder);
    }
}

/// Why an engine did not start.
struct Failure {
    status: Option<i32>,
    text: String,
}

/// Removes what test processes left that were killed before they could drop their engines.
fn sweep(own: &Path) {
    for entry in std::fs::read_dir(own).into_iter().flatten().flatten() {
        let folder = entry.path();
        let pids = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
        let mut pids = pids.split(' ').filter_map(|pid| pid.parse::<u32>().ok());
        let (Some(engine), Some(test)) = (pids.next(), pids.next()) else {
            continue;
        };
        if process::runs(test) {
            continue;
        }
        // A pid may have gone to somebody else meanwhile: an engine of ours names its folder.
        if process::command_line(engine).contains(&*folder.to_string_lossy()) {
            let family = process::family(engine);
            process::signal("KILL", &family);
        }
        remove(&folder);
    }
}

/// Removes the folder, and data that stands elsewhere because the engine's user cannot reach the checkout.
fn remove(folder: &Path) {
    if let Ok(elsewhere) = std::fs::read_link(folder.join("data")) {
        let _ = std::fs::remove_dir_all(elsewhere);
    }
    let _ = std::fs::remove_dir_all(folder);
}
