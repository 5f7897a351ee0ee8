//! The URL that a setting names a cluster by.

use std::net::SocketAddr;

/// A URL that leads to no cluster. The texts read on after a setting's name, and never repeat a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No host is named.
    #[error("names no host: use scylla://HOST:PORT/KEYSPACE")]
    NoHost,
    /// Another engine's.
    #[error("is not of CQL (`{0}:`): use scylla://HOST:PORT/KEYSPACE")]
    OtherEngine(String),
    /// Not a name that CQL takes without quotes.
    #[error("has no usable keyspace: a small letter, then small letters, digits and `_`, 48 at most")]
    Keyspace,
    /// A host with no sound port.
    #[error("has a host without a sound port")]
    Port,
    /// A user in front of the hosts: nothing here logs in yet.
    #[error("holds a user, and this engine does not log in")]
    User,
    /// Not a number from 1 to 9.
    #[error("has a `replication` that is no number from 1 to 9")]
    Replication,
    /// Not a name of letters, digits, `_`, `-` and `.`.
    #[error("has a `datacenter` that is no name")]
    Datacenter,
    /// Not two addresses.
    #[error("has a `translate` that is not ADDRESS:PORT=ADDRESS:PORT")]
    Translate,
    /// A parameter that is not known.
    #[error("has an unknown parameter `{0}`")]
    Unknown(String),
}

/// `scylla://host:port,host2:port/KEYSPACE?replication=3&datacenter=NAME&translate=FROM=TO`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WideUrl {
    /// Nodes to ask first, each with its port.
    pub(crate) hosts: Vec<String>,
    /// `orrery` unless it is named.
    pub(crate) keyspace: String,
    /// Copies that [`crate::Wide::migrate`] makes the keyspace with, in each datacenter.
    pub(crate) replication: u8,
    /// The datacenter that requests go to first, and that the local levels mean; with one datacenter it need not be named.
    pub(crate) datacenter: Option<String>,
    /// Addresses that nodes give, and where they are reached instead: through a router or a proxy.
    pub(crate) translate: Vec<(SocketAddr, SocketAddr)>,
}

const PORT: u16 = 9042;
const KEYSPACE_LEN_MAX: usize = 48;

impl WideUrl {
    /// Reads a URL.
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let Some(rest) = url.strip_prefix("scylla://") else {
            // What stands before a colon is a scheme only if it looks like one; anything else may be a secret.
            let scheme = url.split(':').next().unwrap_or_default();
            let scheme =
                if scheme.len() < url.len() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    scheme
                } else {
                    ""
                };
            return Err(UrlError::OtherEngine(scheme.to_owned()));
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, keyspace) = rest.split_once('/').unwrap_or((rest, ""));
        if hosts.contains('@') {
            return Err(UrlError::User);
        }
        let hosts = hosts.split(',').map(host).collect::<Result<Vec<_>, _>>()?;
        let keyspace = if keyspace.is_empty() { "orrery" } else { keyspace };
        if !is_keyspace(keyspace) {
            return Err(UrlError::Keyspace);
        }
        let mut read = Self {
            hosts,
            keyspace: keyspace.to_owned(),
            replication: 1,
            datacenter: None,
            translate: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            read.parameter(pair)?;
        }
        Ok(read)
    }

    fn parameter(&mut self, pair: &str) -> Result<(), UrlError> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "replication" => {
                self.replication = value
                    .parse()
                    .ok()
                    .filter(|copies| (1..=9).contains(copies))
                    .ok_or(UrlError::Replication)?;
            }
            "datacenter" => {
                if !is_datacenter(value) {
                    return Err(UrlError::Datacenter);
                }
                self.datacenter = Some(value.to_owned());
            }
            "translate" => {
                let (from, to) = value.split_once('=').ok_or(UrlError::Translate)?;
                let address = |text: &str| text.parse().map_err(|_| UrlError::Translate);
                self.translate.push((address(from)?, address(to)?));
            }
            other => return Err(UrlError::Unknown(other.to_owned())),
        }
        Ok(())
    }
}

fn host(text: &str) -> Result<String, UrlError> {
    // An IPv6 address stands in brackets; its colons are not a port's.
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            (name, port.parse::<u16>().map_err(|_| UrlError::Port)?)
        }
        _ => (text, PORT),
    };
    if name.is_empty() {
        return Err(UrlError::NoHost);
    }
    if port == 0 {
        return Err(UrlError::Port);
    }
    Ok(format!("{name}:{port}"))
}

fn is_datacenter(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

fn is_keyspace(name: &str) -> bool {
    name.len() <= KEYSPACE_LEN_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_hosts_a_keyspace_its_copies_and_translations() {
        let url = WideUrl::parse(
            "scylla://a:1,[::1],c/ks_1?replication=3&datacenter=eu-1&translate=10.0.0.1:9042=127.0.0.1:5",
        );
        let url = url.unwrap();
        assert_eq!(url.hosts, ["a:1", "[::1]:9042", "c:9042"]);
        assert_eq!((url.keyspace.as_str(), url.replication), ("ks_1", 3));
        assert_eq!(url.datacenter.as_deref(), Some("eu-1"));
        let translate = ("10.0.0.1:9042".parse().unwrap(), "127.0.0.1:5".parse().unwrap());
        assert_eq!(url.translate, [translate]);

        let bare = WideUrl::parse("scylla://a").unwrap();
        assert_eq!((bare.keyspace.as_str(), bare.replication), ("orrery", 1));
    }

    #[test]
    fn what_is_no_url_of_ours_is_refused_without_repeating_it() {
        for (url, error) in [
            ("scylla://", UrlError::NoHost),
            ("scylla://:5/k", UrlError::NoHost),
            ("scylla://a:0", UrlError::Port),
            ("scylla://a:port", UrlError::Port),
            ("scylla://user:secret@a:1/k", UrlError::User),
            ("scylla://a/Upper", UrlError::Keyspace),
            ("scylla://a/k-s", UrlError::Keyspace),
            ("scylla://a/k?replication=0", UrlError::Replication),
            ("scylla://a/k?datacenter='x'", UrlError::Datacenter),
            ("scylla://a/k?translate=1.1.1.1:1", UrlError::Translate),
            ("scylla://a/k?speed=fast", UrlError::Unknown("speed".to_owned())),
            (
                "postgres://user:secret@host/db",
                UrlError::OtherEngine("postgres".to_owned()),
            ),
            ("user@secret:1", UrlError::OtherEngine(String::new())),
        ] {
            let got = WideUrl::parse(url).unwrap_err();
            assert_eq!(got, error, "{url}");
            assert!(!got.to_string().contains("secret"), "{got}");
        }
    }
}
