//! The engines of a drill: one of its own, to be killed and frozen, or one that is there already, behind a proxy.

mod cql;
mod postgres;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fault_proxy::PortBlock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DrillError;
use crate::disk::SmallDisk;
use crate::process::{Process, Recipe};
use crate::tables::Database;

/// `start.sh` ends with this status when the engine's program is not installed.
const NOT_INSTALLED: i32 = 69;
/// A JVM on a busy machine takes a while.
const READY_WITHIN: Duration = Duration::from_mins(3);
/// One question may take this long.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// The engines that a drill may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Redis.
    Redis,
    /// NATS with JetStream.
    Nats,
    /// A CQL server.
    Cql,
    /// PostgreSQL, with `synchronous_commit = on`.
    Postgres,
}

impl EngineKind {
    /// Its name: in drills, in `engines.json`, and its folder below `infra/engines`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Cql => "cql",
            Self::Postgres => "postgres",
        }
    }
}

/// One engine of a drill.
#[derive(Debug)]
pub(crate) struct Engine {
    kind: EngineKind,
    address: SocketAddr,
    /// `None` for one that is not ours.
    own: Option<Own>,
}

/// What is there of an engine that is ours.
#[derive(Debug)]
struct Own {
    // In the order of falling: its disk goes when nobody writes to it any more.
    process: Process,
    data: PathBuf,
    disk: Option<SmallDisk>,
    _ports: PortBlock,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.process.kill_now();
        // Where the engine's own user cannot reach a drill's folder, its data stands elsewhere.
        if let Ok(elsewhere) = std::fs::read_link(self.data.join("data")) {
            let _ = std::fs::remove_dir_all(elsewhere);
        }
    }
}

impl Engine {
    /// The one that `engines.json` lists, if it answers. It is never struck, and what is made on it goes away again.
    pub(crate) async fn listed(kind: EngineKind, file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let urls: serde_json::Value = serde_json::from_str(&text).ok()?;
        let url = urls[kind.name()].as_str()?;
        let authority = url.split_once("://")?.1.split(['/', '?', ',']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let address = host.parse().ok()?;
        is_ready(kind, address).await.then_some(Self {
            kind,
            address,
            own: None,
        })
    }

    /// A fresh one with the project's durable settings, its data below `folder`, on a disk of so many MiB if that is to be filled.
    pub(crate) async fn own(
        kind: EngineKind,
        folder: &Path,
        logs: &Path,
        disk_mib: Option<u32>,
    ) -> Result<Self, DrillError> {
        let ports = PortBlock::try_reserve().ok_or_else(no_ports)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.base()));
        let data = folder.join(kind.name());
        std::fs::create_dir_all(&data).map_err(DrillError::file(&data))?;
        let disk = disk_mib.map(|mib| SmallDisk::over(&data, mib)).transpose()?;
        if disk.is_some() {
            reachable(&data)?;
        }
        let script = checkout()
            .join("infra/engines")
            .join(kind.name())
            .join("start.sh");
        if !script.is_file() {
            return Err(not_installed(kind, &format!("{} is not there", script.display())));
        }
        let arguments = [&script, &data].map(|path| path.display().to_string());
        let process = Process::of(Recipe {
            name: kind.name().to_owned(),
            program: PathBuf::from("bash"),
            arguments: arguments.into_iter().chain([ports.base().to_string()]).collect(),
            environment: vec![("ORRERY_ENGINES_TOOLS".to_owned(), tools().display().to_string())],
            log: logs.join(format!("{}.log", kind.name())),
        });
        let mut engine = Self {
            kind,
            address,
            own: Some(Own {
                process,
                data,
                disk,
                _ports: ports,
            }),
        };
        engine.start().await?;
        Ok(engine)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, if it is ours to strike.
    pub(crate) fn process(&mut self) -> Option<&mut Process> {
        self.own.as_mut().map(|own| &mut own.process)
    }

    /// The small disk that its data stands on.
    pub(crate) fn disk(&self) -> Option<&SmallDisk> {
        self.own.as_ref()?.disk.as_ref()
    }

    /// Starts it and waits until it answers in its own protocol.
    pub(crate) async fn start(&mut self) -> Result<(), DrillError> {
        let (kind, address) = (self.kind, self.address);
        let Some(Own { process, .. }) = self.own.as_mut() else {
            return Ok(());
        };
        process.start()?;
        let ready = process
            .until_ready(READY_WITHIN, async || is_ready(kind, address).await)
            .await;
        if process.has_ended().and_then(|status| status.code()) == Some(NOT_INSTALLED) {
            return Err(not_installed(kind, &process.log_tail()));
        }
        ready
    }

    /// Starts it again if it has ended by itself, as a supervisor would, and waits until it answers.
    pub(crate) async fn revive(&mut self) -> Result<(), DrillError> {
        let (kind, address) = (self.kind, self.address);
        let Some(Own { process, .. }) = self.own.as_mut() else {
            return Ok(());
        };
        if process.has_ended().is_some() {
            return self.start().await;
        }
        // It may end yet, of what happened to it before.
        let ready = process
            .until_ready(READY_WITHIN, async || is_ready(kind, address).await)
            .await;
        match ready {
            Err(_) if process.has_ended().is_some() => self.start().await,
            ready => ready,
        }
    }

    /// Takes away what a drill made under `name` on an engine that others go on using; `urls` are what its roles were told.
    pub(crate) async fn clean(&self, name: &str, urls: &[String]) {
        if self.own.is_some() {
            return;
        }
        // Keys in Redis end by themselves, and NATS is always our own. Whatever is left is no reason to fail a drill.
        match self.kind {
            EngineKind::Cql => _ = cql::drop_keyspace(self.address, name).await,
            EngineKind::Postgres => {
                for database in urls.iter().filter_map(|url| Database::parse(url)) {
                    if matches!(&database, Database::Postgres { schema, .. } if schema.starts_with(name)) {
                        let _ = database.drop_schema().await;
                    }
                }
            }
            EngineKind::Redis | EngineKind::Nats => {}
        }
    }
}

pub(crate) fn no_ports() -> DrillError {
    DrillError::System {
        what: "no free block of ports between 20000 and 32000".to_owned(),
        source: std::io::ErrorKind::AddrInUse.into(),
    }
}

/// An engine that runs as a user of its own must come to its small disk: it stands in a folder that only we may enter.
fn reachable(data: &Path) -> Result<(), DrillError> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(folder) = data.parent() else {
        return Ok(());
    };
    let all_may_pass = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(folder, all_may_pass).map_err(DrillError::file(folder))
}

fn not_installed(kind: EngineKind, why: &str) -> DrillError {
    DrillError::NotInstalled {
        what: kind.name().to_owned(),
        hint: format!("{why}; `cargo xtask engines up` in a checkout installs it"),
    }
}

/// The checkout: the one we stand in, else the one this was built in.
fn checkout() -> PathBuf {
    let here = PathBuf::from(".");
    if here.join("infra/engines").is_dir() {
        return here;
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn tools() -> PathBuf {
    std::env::var_os("ORRERY_ENGINES_TOOLS").map_or_else(
        || {
            std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| checkout().join("target"), PathBuf::from)
                .join("engines/tools")
        },
        PathBuf::from,
    )
}

/// Whether it answers in its own protocol: a port that listens says nothing yet.
async fn is_ready(kind: EngineKind, address: SocketAddr) -> bool {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut answer = vec![0; 4096];
        match kind {
            EngineKind::Redis => stream.write_all(b"PING\r\n").await?,
            EngineKind::Cql => return cql::answers(&mut stream).await,
            EngineKind::Postgres => return postgres::answers(&mut stream).await,
            // NATS speaks first.
            EngineKind::Nats => {}
        }
        let length = stream.read(&mut answer).await?;
        let said = String::from_utf8_lossy(&answer[..length]).into_owned();
        Ok(match kind {
            EngineKind::Redis => said.starts_with("+PONG"),
            _ => said.starts_with("INFO") && said.contains("\"jetstream\":true"),
        })
    };
    let asked: Result<std::io::Result<bool>, _> = timeout(ASK_TIMEOUT, asking).await;
    matches!(asked, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Database;

    async fn postgres(folder: &Path, disk_mib: Option<u32>) -> Option<Engine> {
        match Engine::own(EngineKind::Postgres, folder, folder, disk_mib).await {
            Ok(engine) => Some(engine),
            Err(error) if error.code() == "not_installed" => {
                println!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn lives(engine: &Engine) -> bool {
        let url = format!("postgres://orrery@{}/orrery", engine.address());
        let database = Database::parse(&url).unwrap();
        let query = "SELECT 'yes'".to_owned();
        let asked = timeout(
            Duration::from_secs(2),
            database.rows(std::slice::from_ref(&query)),
        )
        .await;
        matches!(asked, Ok(Ok(rows)) if rows == ["yes"])
    }

    #[tokio::test]
    async fn postgres_is_struck_with_all_its_processes_and_comes_back_on_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut engine) = postgres(folder.path(), None).await else {
            return;
        };
        assert!(lives(&engine).await);
        engine.process().unwrap().signal("STOP").await.unwrap();
        assert!(!lives(&engine).await, "it is frozen, its children too");
        engine.process().unwrap().signal("CONT").await.unwrap();
        assert!(lives(&engine).await);
        engine.process().unwrap().kill().await.unwrap();
        assert!(!lives(&engine).await);
        engine.start().await.unwrap();
        assert!(lives(&engine).await);
        let elsewhere = std::fs::read_link(folder.path().join("postgres/data")).ok();
        drop(engine);
        assert!(elsewhere.is_none_or(|data| !data.exists()), "its data is gone");
    }

    #[tokio::test]
    async fn postgres_survives_its_full_disk() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut engine) = postgres(folder.path(), Some(256)).await else {
            return;
        };
        let disk = engine.disk().unwrap();
        disk.fill().unwrap();
        disk.free().unwrap();
        engine.revive().await.unwrap();
        assert!(lives(&engine).await);
    }
}
