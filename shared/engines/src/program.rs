//! What a start script starts: an engine, PostgreSQL's standby, or a watcher.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Answer, Kind, Watcher, ask, scripts};

/// Each has a script that takes a folder and a port, and says when it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// What the platform stands on.
    Engine(Kind),
    /// A synchronous standby of a PostgreSQL; its third argument is the primary's port.
    Standby,
    /// What watches it.
    Watcher(Watcher),
}

impl Program {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine(kind) => kind.name(),
            Self::Standby => "postgres-standby",
            Self::Watcher(watcher) => watcher.name(),
        }
    }

    /// Its start script.
    pub fn script(self) -> PathBuf {
        match self {
            Self::Engine(kind) => scripts().join(kind.name()).join("start.sh"),
            Self::Standby => scripts().join("postgres/standby.sh"),
            Self::Watcher(watcher) => watcher.script(),
        }
    }

    /// Asks once whether it is ready; `within` bounds the connect and each read.
    ///
    /// # Errors
    /// When nothing listens there, the connection is lost, or nothing is said in time.
    pub fn ask(self, address: SocketAddr, within: Duration) -> io::Result<Answer> {
        match self {
            Self::Engine(kind) => ask(kind, address, within),
            Self::Standby => ask(Kind::Postgres, address, within),
            Self::Watcher(watcher) => watcher.ask(address, within),
        }
    }
}

impl From<Kind> for Program {
    fn from(kind: Kind) -> Self {
        Self::Engine(kind)
    }
}

impl From<Watcher> for Program {
    fn from(watcher: Watcher) -> Self {
        Self::Watcher(watcher)
    }
}
