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

pub(crate) mod instance;
mod own;

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

pub use ::engines::{Answer, Kind};
use ::engines::{Listed, state};
pub use own::{OwnCluster, OwnEngine};

use crate::skips;

/// A shared engine on loopback that does not take a connection within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Letters of the test's own word in a fresh name.
const WORD: usize = 20;

/// The base URL of the shared engine, without schema, keyspace or prefix; `None` after skipping `test` aloud.
///
/// # Panics
/// When there is none and `ORRERY_REQUIRE_ENGINES=1` forbids skipping.
pub fn url(kind: Kind, test: &str) -> Option<String> {
    shared(kind, test).map(|(url, _)| url)
}

/// Whether a suite that runs on files was asked to run on real engines, by `ORRERY_TEST_ENGINES=real`.
///
/// # Panics
/// When the variable says anything else.
pub fn are_real() -> bool {
    match std::env::var("ORRERY_TEST_ENGINES") {
        Ok(value) => {
            assert_eq!(value, "real", "ORRERY_TEST_ENGINES is `real` or not set");
            true
        }
        Err(_) => false,
    }
}

/// [`url`] for a suite that was asked to run on real engines.
///
/// # Panics
/// When there is no such engine.
pub fn needed(kind: Kind) -> String {
    let url = url(kind, "the API suite on real engines");
    url.expect("ORRERY_TEST_ENGINES=real needs engines: `cargo xtask engines up`")
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
    let listed = Listed::read(file)?;
    let url = listed
        .url(kind)
        .ok_or_else(|| format!("no {name} in {}", file.display()))?;
    let addresses = listed.addresses(kind);
    let address = *addresses.first().ok_or_else(|| format!("no address in {url}"))?;
    TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
        .map_err(|e| format!("no {name} at {address}: {e}"))?;
    Ok((url.to_owned(), address))
}

/// Asks an engine in its own protocol whether it answers; `within` bounds the connect and each read.
///
/// # Errors
/// When nothing listens there, the connection is lost, or nothing is said in time.
pub async fn ask(kind: Kind, address: SocketAddr, within: Duration) -> std::io::Result<Answer> {
    tokio::task::spawn_blocking(move || ::engines::ask(kind, address, within))
        .await
        .unwrap_or_else(|e| Err(std::io::Error::other(e)))
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
