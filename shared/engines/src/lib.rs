#![doc = include_str!("../README.md")]

mod answers;
mod cluster;
mod folders;
mod leftovers;
mod listed;
mod process;
mod program;
mod settings_file;
mod watcher;

pub use answers::{Answer, ask};
pub use cluster::{ClusterNode, cluster};
pub use folders::{checkout, scripts, state, tools};
pub use leftovers::{remove, sweep};
pub use listed::Listed;
pub use process::{Process, signal_all};
pub use program::Program;
pub use settings_file::settings_file;
pub use watcher::Watcher;

use std::net::SocketAddr;

/// `start.sh` ends with this status when the engine's program is not installed.
pub const NOT_INSTALLED: i32 = 69;

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// NATS with JetStream.
    Nats,
    /// A CQL server: Cassandra, or ScyllaDB where containers run.
    Cql,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Redis, Self::Nats, Self::Cql];

    /// Its name: in `engines.json`, and its folder below `infra/engines`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Cql => "cql",
        }
    }

    /// The base URL of one that listens at `addresses`.
    pub fn url_at(self, addresses: &[SocketAddr]) -> String {
        let hosts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let hosts = hosts.join(",");
        match self {
            Self::Postgres => format!("postgres://orrery@{hosts}/orrery"),
            Self::Redis => format!("redis://{hosts}"),
            Self::Nats => format!("nats://{hosts}"),
            Self::Cql => format!("scylla://{hosts}"),
        }
    }
}
