//! The engines that tests run on: the shared ones that `cargo xtask engines up` started, and private ones to kill.
//!
//! On a shared engine each test works under a name of its own ([`fresh_name`]); it never stops or stalls it.
//! Without engines a test skips aloud, and fails under `ORRERY_REQUIRE_ENGINES=1`.
//!
//! ```no_run
//! use testkit::engines::{self, Kind};
//! fn a_test() {
//!     let Some(url) = engines::url(Kind::Postgres, "a_test") else { return };
//!     let url = format!("{url}?schema={}", engines::fresh_name("links"));
//!     # let _ = url;
//! }
//! ```

mod answers;
mod folders;
mod own;
mod process;

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

pub use answers::{Answer, ask};
pub use folders::{scripts, state, tools};
pub use own::OwnEngine;

use crate::skips;

/// A shared engine on loopback that does not take a connection within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Letters of the test's own word in a fresh name.
const WORD: usize = 20;

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// The base URL of one that listens on a loopback port.
    pub fn url_at(self, address: SocketAddr) -> String {
        match self {
            Self::Postgres => format!("postgres://orrery@{address}/orrery"),
            Self::Redis => format!("redis://{address}"),
            Self::Nats => format!("nats://{address}"),
            Self::Cql => format!("scylla://{address}"),
        }
    }
}

/// The base URL of the shared engine, without schema, keyspace or prefix; `None` after skipping `test` aloud.
///
/// # Panics
/// When there is none and `ORRERY_REQUIRE_ENGINES=1` forbids skipping.
pub fn url(kind: Kind, test: &str) -> Option<String> {
    shared(kind, test).map(|(url, _)| url)
}

/// The address of the shared engine (the first node's, when it has several); `None` after skipping `test` aloud.
///
/// # Panics
/// As [`url`] does.
pub fn address(kind: Kind, test: &str) -> Option<SocketAddr> {
    shared(kind, test).map(|(_, address)| address)
}

/// A name for what a test makes on a shared engine: `[a-z][a-z0-9_]*`, at most 40 letters, never the same twice.
pub fn fresh_name(what: &str) -> String {
    let word: String = what
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(WORD)
        .collect();
    let word = if word.is_empty() { "t" } else { &word };
    // Std's own random keys: fresh in each process and each call.
    let random = std::hash::RandomState::new().build_hasher().finish();
    format!("{word}_{random:016x}")
}

fn shared(kind: Kind, test: &str) -> Option<(String, SocketAddr)> {
    match find(kind, &state().join("engines.json")) {
        Ok(found) => Some(found),
        Err(why) => {
            skips::skip_engine(test, &format!("{why}; `cargo xtask engines up` starts it"));
            None
        }
    }
}

fn find(kind: Kind, file: &Path) -> Result<(String, SocketAddr), String> {
    let name = kind.name();
    let text = std::fs::read(file).map_err(|_| format!("no {name}: no file {}", file.display()))?;
    let urls: serde_json::Value =
        serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let url = urls[name]
        .as_str()
        .ok_or_else(|| format!("no {name} in {}", file.display()))?;
    let address = first_address(url).ok_or_else(|| format!("no address in {url}"))?;
    TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
        .map_err(|e| format!("no {name} at {address}: {e}"))?;
    Ok((url.to_owned(), address))
}

/// The first `host:port` of a URL, which may name several.
fn first_address(url: &str) -> Option<SocketAddr> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    hosts.split(',').next()?.to_socket_addrs().ok()?.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_names_are_identifiers_everywhere_and_never_alike() {
        let name = fresh_name("9 Links of Ann's: a very long test name");
        assert!(name.starts_with("linksofannsaverylong_"), "{name}");
        assert!(name.len() <= 40, "{name}");
        assert_ne!(name, fresh_name("9 Links of Ann's: a very long test name"));
        assert!(fresh_name("::").starts_with("t_"));
    }

    #[test]
    fn the_first_node_of_a_url_is_its_address() {
        let address = |url| first_address(url).map(|a| a.to_string());
        assert_eq!(
            address("scylla://127.0.0.1:9042,127.0.0.2:9042/ks?replication=3").as_deref(),
            Some("127.0.0.1:9042")
        );
        assert_eq!(
            address("postgres://a:b@127.0.0.1:5432/orrery").as_deref(),
            Some("127.0.0.1:5432")
        );
        assert_eq!(address("127.0.0.1:5432"), None);
    }

    #[test]
    fn an_engine_that_is_not_listed_or_does_not_listen_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("engines.json");
        assert!(
            find(Kind::Redis, &file)
                .expect_err("no file")
                .contains("no redis")
        );
        std::fs::write(&file, r#"{"redis":"redis://127.0.0.1:1"}"#).expect("a file");
        let away = find(Kind::Redis, &file).expect_err("nothing listens there");
        assert!(away.starts_with("no redis at 127.0.0.1:1"), "{away}");
        let unlisted = find(Kind::Nats, &file).expect_err("not listed");
        assert!(unlisted.starts_with("no nats in "), "{unlisted}");
    }
}
