//! A PostgreSQL started by a script as `docs/backup.md` says, in a folder of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::engines::Process;
use testkit::engines::{self, Answer, Kind, fresh_name};
use testkit::platform::PortBlock;
use testkit::skips;

/// It answers within this, a replay of its log included.
const READY_WITHIN: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Dropping it kills it and removes its data.
pub(super) struct Server {
    folder: PathBuf,
    child: Child,
    ports: PortBlock,
}

impl Server {
    /// A new one that keeps its log in `archive`; `None` after skipping `test` aloud when its program is not installed.
    pub(super) async fn archived(test: &str, archive: &Path) -> Option<Self> {
        let (folder, ports) = (fresh(), PortBlock::reserve());
        let arguments = [folder.display().to_string(), ports.base().to_string()];
        let archive = ("ORRERY_PG_ARCHIVE", archive.display().to_string());
        let mut server = Self::spawn(folder, ports, "start.sh", &arguments, Some(archive));
        match server.answers().await {
            Ok(()) => Some(server),
            Err(Some(status)) if status == ::engines::NOT_INSTALLED => {
                skips::skip_engine(test, &server.log());
                None
            }
            Err(Some(_) | None) => panic!("PostgreSQL does not start: {}", server.log()),
        }
    }

    /// A backup and its log as they were at a moment.
    pub(super) async fn restored(backup: &Path, archive: &Path, moment: &str) -> Self {
        let (folder, ports) = (fresh(), PortBlock::reserve());
        let arguments = [
            backup.display().to_string(),
            archive.display().to_string(),
            folder.display().to_string(),
            ports.base().to_string(),
            moment.to_owned(),
        ];
        let mut server = Self::spawn(folder, ports, "restore.sh", &arguments, None);
        let answers = server.answers().await;
        assert!(answers.is_ok(), "it is not restored: {}", server.log());
        // It answers while it still replays: it is restored when it takes writes.
        let query = "SELECT (NOT pg_is_in_recovery())::text";
        super::until(&server, "public", query, "the replay ends").await;
        server
    }

    fn spawn(
        folder: PathBuf,
        ports: PortBlock,
        script: &str,
        arguments: &[String],
        environment: Option<(&str, String)>,
    ) -> Self {
        let log = File::create(folder.with_extension("log")).expect("a log file");
        let child = Command::new("bash")
            .arg(::engines::scripts().join("postgres").join(script))
            .args(arguments)
            .env("ORRERY_ENGINES_TOOLS", ::engines::tools())
            .envs(environment)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            .process_group(0)
            .spawn()
            .expect("bash starts");
        // For the sweep of whoever comes after a test that was killed.
        if let (Some(server), Some(test)) = (Process::of(child.id()), Process::own()) {
            std::fs::write(folder.join("pids"), format!("{server} {test}")).expect("a pid file");
        }
        Self { folder, child, ports }
    }

    /// Its exit status where it ended instead.
    async fn answers(&mut self) -> Result<(), Option<i32>> {
        let address = self.address();
        let child = &mut self.child;
        let waiting = async move {
            loop {
                if let Ok(Answer::Ready(_)) = engines::ask(Kind::Postgres, address, ASK_WITHIN).await {
                    return Ok(());
                }
                if let Some(status) = child.try_wait().expect("the child can be asked") {
                    return Err(status.code());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, waiting)
            .await
            .unwrap_or(Err(None))
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.base()))
    }

    /// Its base URL, without schema.
    pub(super) fn url(&self) -> String {
        Kind::Postgres.url_at(&[self.address()])
    }

    /// Copies it into a new folder while it serves.
    pub(super) async fn back_up(&self, to: &Path) {
        let arguments = [self.ports.base().to_string(), to.display().to_string()];
        super::script("backup.sh", &arguments).await;
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default()
    }
}

/// In the folder of private engines, which the next run sweeps.
fn fresh() -> PathBuf {
    let folder = ::engines::state().join("own").join(fresh_name("restored"));
    std::fs::create_dir_all(&folder).expect("a fresh folder");
    folder
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = Process::of(self.child.id()) {
            process.kill();
        }
        // It cannot refuse SIGKILL.
        let _ = self.child.wait();
        ::engines::remove(&self.folder);
        let _ = std::fs::remove_file(self.folder.with_extension("log"));
    }
}
