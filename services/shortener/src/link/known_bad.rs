//! Hosts and URLs that no link leads to, whoever asks: a list from outside, such as those of malware and phishing.

use std::borrow::Cow;
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
///
/// A URL is the same in every spelling that servers take for it: list and URLs are compared in one form (see [`spelled`]).
#[derive(Clone, Debug, Default)]
pub struct KnownBad {
    hosts: HashSet<Box<str>>,
    /// By host and port: what the rest begins with, sorted, and none of them the beginning of another: so the one that a URL begins
    /// with, if there is one, is the last that does not stand behind it.
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
        for of_host in list.prefixes.values_mut() {
            of_host.sort_unstable();
            of_host.dedup_by(|longer, kept| longer.starts_with(&**kept));
            of_host.shrink_to_fit();
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
        let mut url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        // No link has credentials, and no server is told of a fragment: it is the same page.
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        url.set_fragment(None);
        let (authority, rest) = parts(url.as_str())?;
        let of_host = self.prefixes.entry(place_of(authority).into()).or_default();
        of_host.push(spelled(rest).into());
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
        let Some(of_host) = self.prefixes.get(&*place_of(authority)) else {
            return false;
        };
        let rest = spelled(rest);
        let after = of_host.partition_point(|prefix| **prefix <= *rest);
        after > 0 && rest.starts_with(&*of_host[after - 1])
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

/// Host and port, for comparing: the root dot names the same host, and with either scheme its usual port is no other place than none.
fn place_of(authority: &str) -> Cow<'_, str> {
    let host = host_of(authority);
    let port = &authority[host.len()..];
    let bare = host.strip_suffix('.').unwrap_or(host);
    match port {
        "" | ":80" | ":443" => bare.into(),
        _ if bare.len() == host.len() => authority.into(),
        _ => format!("{bare}{port}").into(),
    }
}

/// Path and query, for comparing. What may be written as it is or as `%` and two digits stands as it is; of what only the latter can
/// say, or what would say something else without (`%2F`, `%26`), the digits are large. The URL parser does neither.
fn spelled(rest: &str) -> Cow<'_, str> {
    if !rest.contains('%') {
        return rest.into();
    }
    let mut out = String::with_capacity(rest.len());
    let mut left = rest;
    while let Some(at) = left.find('%') {
        out.push_str(&left[..at]);
        left = &left[at + 1..];
        let Some(byte) = left.get(..2).and_then(escaped) else {
            out.push('%');
            continue;
        };
        if byte.is_ascii_graphic() && !b"%/?#&=+;\\".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&left[..2].to_ascii_uppercase());
        }
        left = &left[2..];
    }
    out.push_str(left);
    out.into()
}

/// The byte that two hexadecimal digits name. A sign is none.
fn escaped(digits: &str) -> Option<u8> {
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits.then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    fn normal(url: &str) -> String {
        Url::parse(url).unwrap().into()
    }

    #[test]
    fn a_listed_url_is_found_in_every_spelling_of_it() {
        let (list, _) = KnownBad::parse(
            "http://EVIL.example:80/bad/~path?q=a\nhttps://user@two.example/caf%c3%A9/\nthree.example:443/x%2fy\n\
             four.example/page#top\n",
        );
        for url in [
            "https://evil.example/%62ad/%7epath?%71=%61",
            "http://Evil.EXAMPLE./x/../bad/~path?q=a&more",
            "https://evil.example:80/./bad/~%70ath?q=a",
            "http://%65vil.example/bad/%2e/%7Epath?q=a",
            "http://two.example/caf\u{e9}/menu",
            "http://two.example/%63af%C3%a9/",
            "https://three.example/x%2Fyz",
            "https://four.example/page",
            "https://four.example/page?id=7#end",
        ] {
            assert!(list.contains(&normal(url)), "{url}");
        }
        for url in [
            "http://evil.example/BAD/~path?q=a",
            "http://evil.example:81/bad/~path?q=a",
            "http://evil.example/bad/%257epath?q=a",
            "http://evil.example/bad%2F~path?q=a",
            "http://evil.example/bad/~path?q%3Da",
            "http://three.example/x/yz",
            "http://four.example/#/page",
        ] {
            assert!(!list.contains(&normal(url)), "{url}");
        }
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for (rest, as_compared) in [
            ("/plain", "/plain"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%41", "/%zzA"),
            ("/%+1", "/%+1"),
            ("/%%41", "/%A"),
            ("/%25%34%31", "/%2541"),
            ("/%e4%20", "/%E4%20"),
        ] {
            assert_eq!(spelled(rest), as_compared, "{rest}");
        }
    }

    /// Few pieces, so that many are the beginning of another.
    fn path() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a", "b", "A", "%61", "%41", "/", "%2f", "%2F", "?", "&", "~", "%7e", "%", "é",
        ]);
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_look_at_every_entry_finds(entries in prop::collection::vec(path(), 0..12), asked in path()) {
            let url = |path: &str| normal(&format!("http://h.example/{path}"));
            let entries: Vec<String> = entries.iter().map(|path| url(path)).collect();
            let (list, found) = KnownBad::parse(&entries.join("\n"));
            prop_assert_eq!(found.entries, entries.len());
            let asked = url(&asked);
            let expected = entries.iter().any(|entry| spelled(&asked).starts_with(&*spelled(entry)));
            prop_assert_eq!(list.contains(&asked), expected, "{:?} of {:?}", asked, entries);
        }

        #[test]
        fn no_letter_written_as_an_escape_hides_a_url(
            letters in prop::collection::vec(("[a-zA-Z0-9~_-]", 0..3_u8), 1..20),
        ) {
            let plain: String = letters.iter().map(|(letter, _)| letter.as_str()).collect();
            let mut other = String::new();
            for (letter, how) in &letters {
                let byte = letter.as_bytes()[0];
                let spelled = match how {
                    0 => letter.clone(),
                    1 => format!("%{byte:02x}"),
                    _ => format!("%{byte:02X}"),
                };
                other.push_str(&spelled);
            }
            for (listed, asked) in [(&plain, &other), (&other, &plain)] {
                let (list, _) = KnownBad::parse(&format!("http://h.example/{listed}"));
                let asked = normal(&format!("https://h.example/{asked}"));
                prop_assert!(list.contains(&asked), "{} by {}", asked, listed);
            }
        }
    }
}
