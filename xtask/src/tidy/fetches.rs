//! The shortener leads to other people's addresses and asks none of them for anything: what it could be made to fetch would be
//! fetched from inside our network.

use super::Source;

/// Where the rule holds. Labs are programs that load themselves.
const SOURCES: &str = "services/shortener/src/";
const LABS: &str = "services/shortener/src/labs";
const MANIFEST: &str = "services/shortener/Cargo.toml";
/// The one file that makes a client, which asks the issuer for its keys.
const MAKES_KEYS: &str = "services/shortener/src/assembly.rs";

/// What reaches out, wherever it stands.
const REACHING: &[&str] = &[
    "reqwest",
    "ureq",
    "hyper",
    "TcpStream",
    "TcpSocket",
    "UdpSocket",
    "UnixStream",
    "lookup_host",
    "ToSocketAddrs",
    "HttpClient",
];
/// Of the crate `client`: the fetcher of keys, what it is told and what it counts. `Client` itself only where that is made.
const OF_CLIENT: &[&str] = &["HttpKeys", "ClientSettings", "ClientError", "describe_metrics"];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let is_ours = source.path.starts_with(SOURCES) && !source.path.starts_with(LABS);
        if is_ours && source.is_rust() {
            wrong.extend(code(source));
        }
        if source.path == MANIFEST {
            wrong.extend(dependencies(source));
        }
    }
    wrong
}

fn code(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: &str| {
        wrong.push(format!(
            "{}: `{what}`: the shortener fetches nothing; only `client::HttpKeys` may ask, and only the issuer",
            source.path
        ));
    };
    for line in source
        .text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for word in words(line).filter(|word| REACHING.contains(word)) {
            say(word);
        }
    }
    for name in of_client(&source.text) {
        let makes_keys = name == "Client" && source.path == MAKES_KEYS;
        if !makes_keys && !OF_CLIENT.contains(&name) {
            say(&format!("client::{name}"));
        }
    }
    wrong
}

/// What follows `client::`, one name or several in braces.
fn of_client(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, path) in text.match_indices("client::") {
        let goes_on = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if goes_on {
            continue;
        }
        let after = &text[at + path.len()..];
        let list = match after.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => after
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default(),
        };
        names.extend(list.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    names
}

fn dependencies(manifest: &Source) -> Vec<String> {
    let runtime = manifest
        .text
        .split("[dev-dependencies]")
        .next()
        .unwrap_or_default();
    let named = runtime
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    named
        .filter(|name| REACHING.contains(&name.split('-').next().unwrap_or(name)))
        .map(|name| format!("{MANIFEST}: `{name}`: the shortener fetches nothing"))
        .collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> Vec<String> {
        check(&[Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }])
    }

    #[test]
    fn a_client_of_any_kind_is_found_and_the_fetcher_of_keys_is_not() {
        let path = "services/shortener/src/operations/preview.rs";
        for text in [
            "let page = reqwest::get(url).await;",
            "use hyper::client::conn::http1;",
            "let socket = tokio::net::TcpStream::connect(host).await;",
            "use client::Client;",
            "use client::{\n    Client, HttpKeys,\n};",
            "let client = client::Client::new();",
            "let addresses = tokio::net::lookup_host(host).await;",
        ] {
            assert_eq!(said(path, text).len(), 1, "{text}");
        }
        for text in [
            "use client::ClientSettings;",
            "// No reqwest here.",
            "let http_client::Name = x;",
            "use client::{ClientError, HttpKeys};",
        ] {
            assert_eq!(said(path, text), [""; 0], "{text}");
        }
        assert_eq!(said(MAKES_KEYS, "use client::{Client, HttpKeys};"), [""; 0]);
        assert_eq!(said(MAKES_KEYS, "use client::{Client, Call};").len(), 1);
    }

    #[test]
    fn labs_load_themselves_and_tests_call_the_service() {
        for path in [
            "services/shortener/src/labs/stampede.rs",
            "services/shortener/tests/shortener/harness.rs",
        ] {
            assert_eq!(said(path, "use load::HttpClient;"), [""; 0]);
        }
    }

    #[test]
    fn the_manifest_names_no_client_but_for_tests() {
        let text =
            "[dependencies]\nhyper-util.workspace = true\n[dev-dependencies]\nreqwest.workspace = true\n";
        assert_eq!(said(MANIFEST, text).len(), 1);
    }
}
