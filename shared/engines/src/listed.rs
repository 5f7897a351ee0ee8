//! `engines.json`: the base URL of each shared engine.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use crate::Kind;

/// The shared engines' URLs, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    urls: BTreeMap<Kind, String>,
}

impl Listed {
    /// Reads a file; one that is not there lists nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(format!("{}: {e}", file.display())),
        };
        let json: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        let url = |kind: Kind| Some((kind, json[kind.name()].as_str()?.to_owned()));
        Ok(Self {
            urls: Kind::ALL.into_iter().filter_map(url).collect(),
        })
    }

    /// Writes the file whole: a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let json: serde_json::Map<String, serde_json::Value> = self
            .urls
            .iter()
            .map(|(kind, url)| (kind.name().to_owned(), url.as_str().into()))
            .collect();
        let new = file.with_extension("json.new");
        std::fs::write(&new, format!("{:#}\n", serde_json::Value::Object(json)))
            .and_then(|()| std::fs::rename(&new, file))
            .map_err(|e| format!("{}: {e}", file.display()))
    }

    /// The base URL of one.
    pub fn url(&self, kind: Kind) -> Option<&str> {
        self.urls.get(&kind).map(String::as_str)
    }

    /// Where one listens: each node of it.
    pub fn addresses(&self, kind: Kind) -> Vec<SocketAddr> {
        self.url(kind).map(addresses).unwrap_or_default()
    }

    /// Lists one, in place of what was listed before.
    pub fn set(&mut self, kind: Kind, url: String) {
        self.urls.insert(kind, url);
    }

    /// Lists one no longer.
    pub fn remove(&mut self, kind: Kind) {
        self.urls.remove(&kind);
    }
}

/// Every `host:port` of a URL.
fn addresses(url: &str) -> Vec<SocketAddr> {
    let authority = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    hosts
        .split(',')
        .filter_map(|host| host.to_socket_addrs().ok()?.next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_of_a_url_has_an_address() {
        let found = |url| {
            addresses(url)
                .iter()
                .map(SocketAddr::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("scylla://127.0.0.1:9042,127.0.0.2:9042/ks?replication=3"),
            ["127.0.0.1:9042", "127.0.0.2:9042"]
        );
        assert_eq!(found("postgres://a:b@127.0.0.1:5432/orrery"), ["127.0.0.1:5432"]);
        assert!(found("127.0.0.1:5432").is_empty());
    }

    #[test]
    fn what_was_written_is_read_and_no_file_lists_nothing() {
        let file = std::env::temp_dir().join(format!("orrery-listed-{}.json", std::process::id()));
        assert_eq!(Listed::read(&file), Ok(Listed::default()));
        let mut listed = Listed::default();
        listed.set(Kind::Redis, "redis://127.0.0.1:1".to_owned());
        listed.set(Kind::Nats, "nats://127.0.0.1:2".to_owned());
        listed.remove(Kind::Nats);
        listed.write(&file).expect("written");
        let read = Listed::read(&file);
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(read, Ok(listed));
    }
}
