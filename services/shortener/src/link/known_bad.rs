//! Hosts and URLs that no link leads to, whoever asks: a list from outside, such as those of malware and phishing.

use std::collections::{HashMap, HashSet};

use url::Url;

use super::Domain;
use super::domains::with_parents;

/// A list, read. One entry a line; `#` begins a comment.
///
/// - `evil.example`: this host and its subdomains, at every port.
/// - `0.0.0.0 evil.example`: the same, as files of hosts have it.
/// - `http://host/path` or `host/path`: what begins like this, with either scheme; without a path all of this host, its
///   subdomains not.
#[derive(Clone, Debug, Default)]
pub struct KnownBad {
    hosts: HashSet<Box<str>>,
    /// By host and port: what the rest begins with.
    prefixes: HashMap<Box<str>, Vec<Box<str>>>,
}

/// What was found in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Lines that are entries.
    pub entries: usize,
    /// Lines that are neither entries nor comments.
    pub unreadable: usize,
}

impl KnownBad {
    /// Reads a list. A line that cannot be read is passed over: the others protect all the same.
    pub fn parse(text: &str) -> (Self, Found) {
        let (mut list, mut found) = (Self::default(), Found::default());
        for line in text.lines() {
            // Not in the middle of a word: URLs may have a `#`.
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if list.enter(line).is_some() {
                found.entries += 1;
            } else {
                found.unreadable += 1;
            }
        }
        (list, found)
    }

    fn enter(&mut self, line: &str) -> Option<()> {
        let entry = match line.split_once(char::is_whitespace) {
            Some(("0.0.0.0" | "127.0.0.1", host)) => host.trim(),
            Some(_) => return None,
            None => line,
        };
        if !entry.contains('/') {
            self.hosts.insert(Domain::parse(entry).ok()?.as_str().into());
            return Some(());
        }
        let url = if entry.contains("://") {
            Url::parse(entry)
        } else {
            Url::parse(&format!("http://{entry}"))
        };
        let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let (authority, rest) = parts(url.as_str())?;
        let of_host = self.prefixes.entry(without_root(authority).into()).or_default();
        of_host.push(rest.into());
        Some(())
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.prefixes.is_empty()
    }

    /// Whether a URL in its normal form is on the list. What is no URL is not.
    pub fn contains(&self, url: &str) -> bool {
        let Some((authority, rest)) = parts(url) else {
            return false;
        };
        if with_parents(host_of(authority)).any(|name| self.hosts.contains(name)) {
            return true;
        }
        let of_host = self.prefixes.get(&*without_root(authority));
        of_host.is_some_and(|prefixes| prefixes.iter().any(|prefix| rest.starts_with(&**prefix)))
    }
}

/// `host:port` and the path with what follows, of a URL in its normal form.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (_, after) = url.split_once("://")?;
    let end = after.find('/')?;
    Some(after.split_at(end))
}

/// The host of `host:port`, also of `[::1]:80`.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

/// The root dot names the same host.
fn without_root(authority: &str) -> std::borrow::Cow<'_, str> {
    let host = host_of(authority);
    match host.strip_suffix('.') {
        Some(bare) => format!("{bare}{}", &authority[host.len()..]).into(),
        None => authority.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# malware, as of today
evil.example   # also its subdomains
0.0.0.0 hosts.example
bücher.example
http://partly.example/bad/
https://partly.example:8443/
exact.example/page?id=7
http://[::1]:3000/x
2130706433

ftp://other.example/
three words here
*.star.example
";

    #[test]
    fn hosts_with_their_subdomains_and_beginnings_of_urls_are_found() {
        let (list, found) = KnownBad::parse(LIST);
        assert_eq!(
            found,
            Found {
                entries: 8,
                unreadable: 3
            }
        );
        for url in [
            "https://evil.example/",
            "http://evil.example.:81/x",
            "https://www.evil.example/?a=b",
            "http://hosts.example/",
            "https://xn--bcher-kva.example/",
            "https://partly.example/bad/thing",
            "https://partly.example./bad/thing",
            "http://partly.example:8443/anything",
            "https://exact.example/page?id=7&more",
            "http://[::1]:3000/xyz",
            "http://127.0.0.1:99/",
        ] {
            assert!(list.contains(url), "{url}");
        }
        for url in [
            "https://notevil.example/",
            "https://evil.example.com/",
            "https://good.example/evil.example/",
            "https://partly.example/",
            "https://partly.example/ba",
            "https://www.partly.example/bad/",
            "https://exact.example/page?id=8",
            "http://[::1]:3001/xyz",
            "http://star.example/",
            "nonsense",
            "",
        ] {
            assert!(!list.contains(url), "{url}");
        }
    }
}
