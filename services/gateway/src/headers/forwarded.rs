//! Who the client is, as we saw it: what the client itself claims about that is dropped.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How we sign the requests that we pass on.
const PSEUDONYM: &str = "orrery-gateway";

/// Also dropped: other proxies' ways to say the same.
const CLAIMS: [HeaderName; 3] = [
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-client-ip"),
];

/// What we know about the client's side of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) https: bool,
}

/// True when this request has been through here before: an upstream address points back at a gateway.
pub(crate) fn is_loop(headers: &HeaderMap) -> bool {
    headers.get_all(VIA).iter().any(|value| {
        value
            .as_bytes()
            .windows(PSEUDONYM.len())
            .any(|w| w == PSEUDONYM.as_bytes())
    })
}

/// Replaces `Forwarded` and `X-Forwarded-*` by ours, and adds us to `Via`. `Host` stays as the client sent
/// it: the issuer shows its sign-in page on loopback names only, and must see the name that the browser used.
pub(crate) fn set(headers: &mut HeaderMap, hop: Hop) {
    let claimed: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded-"))
        .cloned()
        .collect();
    for name in claimed.iter().chain(&CLAIMS).chain([&FORWARDED]) {
        headers.remove(name);
    }
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| is_host(host))
        .map(str::to_owned);
    let proto = if hop.https { "https" } else { "http" };
    let mut forwarded = format!("proto={proto}");
    if let Some(peer) = hop.peer {
        let node = if peer.is_ipv6() {
            format!("\"[{peer}]\"")
        } else {
            peer.to_string()
        };
        forwarded = format!("for={node};{forwarded}");
        insert(headers, "x-forwarded-for", &peer.to_string());
    }
    if let Some(host) = host {
        forwarded = format!("{forwarded};host=\"{host}\"");
        insert(headers, "x-forwarded-host", &host);
    }
    insert(headers, "x-forwarded-proto", proto);
    insert(headers, "forwarded", &forwarded);
    if let Ok(via) = HeaderValue::from_str(&format!("1.1 {PSEUDONYM}")) {
        headers.append(VIA, via);
    }
}

/// What may stand in quotes without escaping: a host name or address and a port.
pub(crate) fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]%".contains(&b))
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_own_claims_are_replaced_by_what_we_saw() {
        let mut headers = HeaderMap::new();
        for (name, claim) in [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-user", "root"),
            ("x-real-ip", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("host", "go.example:8080"),
        ] {
            headers.insert(name, HeaderValue::from_static(claim));
        }
        set(
            &mut headers,
            Hop {
                peer: Some(IpAddr::from([127, 0, 0, 1])),
                https: false,
            },
        );
        assert_eq!(
            headers["forwarded"],
            "for=127.0.0.1;proto=http;host=\"go.example:8080\""
        );
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(headers["x-forwarded-host"], "go.example:8080");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["via"], "1.1 orrery-gateway");
        assert_eq!(headers["host"], "go.example:8080");
        assert_eq!(headers.len(), 6);
        assert!(is_loop(&headers));
    }

    #[test]
    fn an_ipv6_client_is_quoted_and_a_strange_host_is_left_out() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a\";for=6.6.6.6"));
        set(
            &mut headers,
            Hop {
                peer: Some("::1".parse().expect("an address")),
                https: true,
            },
        );
        assert_eq!(headers["forwarded"], "for=\"[::1]\";proto=https");
        assert!(!headers.contains_key("x-forwarded-host"));
    }
}
