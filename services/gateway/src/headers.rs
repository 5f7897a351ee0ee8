//! Which headers cross the gateway. RFC 9110, section 7.6: what is about one connection stays on it.

pub(crate) mod cookies;
pub(crate) mod forwarded;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST,
    ORIGIN, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName};

/// Never forwarded, in either direction.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Headers that decisions are made on, here or behind. A client that calls one of them "only for this connection" wants
/// us to decide on what the upstream will not see: that is refused, not obeyed (RFC 9110, 7.6.1 forbids sending it).
const END_TO_END: [HeaderName; 12] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    FORWARDED,
    HOST,
    ORIGIN,
    VIA,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("traceparent"),
];

/// A `Connection` header that names what it may not, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Connection header may not name `{0}`")]
pub(crate) struct ConnectionError(pub(crate) String);

/// Removes what is about the client's connection: the fixed list, `Proxy-*`, and all that `Connection` names.
pub(crate) fn strip_request(headers: &mut HeaderMap) -> Result<(), ConnectionError> {
    for name in named_by_connection(headers)? {
        if END_TO_END.contains(&name)
            || name.as_str().starts_with("x-forwarded-")
            || name == "x-request-id"
            || name.as_str().starts_with("orrery-")
        {
            return Err(ConnectionError(name.as_str().to_owned()));
        }
        headers.remove(name);
    }
    strip_fixed(headers);
    // The body is framed anew for the next hop: a length that disagrees with it is how requests are smuggled.
    headers.remove(CONTENT_LENGTH);
    // We have answered `100 Continue` ourselves by reading the body.
    headers.remove(EXPECT);
    Ok(())
}

/// Removes what is about the upstream's connection. What it names wrongly is only left in: it is ours, and no attacker.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    for name in named_by_connection(headers).unwrap_or_default() {
        if !END_TO_END.contains(&name) {
            headers.remove(name);
        }
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    strip_fixed(headers);
}

fn strip_fixed(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    let proxy: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("proxy-"))
        .cloned()
        .collect();
    for name in proxy {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Result<Vec<HeaderName>, ConnectionError> {
    let mut names = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for option in value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
        {
            if option.is_empty() {
                continue;
            }
            let name = HeaderName::from_bytes(option)
                .map_err(|_| ConnectionError(String::from_utf8_lossy(option).chars().take(40).collect()))?;
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_about_one_connection_stays_on_it() {
        let mut map = headers(&[
            ("connection", "keep-alive, Foo ,"),
            ("connection", "bar"),
            ("foo", "1"),
            ("bar", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        strip_request(&mut map).expect("nothing forbidden was named");
        assert_eq!(names(&map), ["accept"]);
    }

    #[test]
    fn connection_cannot_take_away_what_decisions_rest_on() {
        for named in [
            "authorization",
            "Cookie",
            "close, HOST",
            "x-forwarded-for",
            "orrery-deadline-ms",
            "traceparent",
        ] {
            let mut map = headers(&[("authorization", "Bearer t")]);
            map.insert(CONNECTION, HeaderValue::from_static(named));
            assert!(strip_request(&mut map).is_err(), "{named}");
            assert!(map.contains_key(AUTHORIZATION));
        }
        let mut unreadable = headers(&[("connection", "a b")]);
        assert!(strip_request(&mut unreadable).is_err());
    }

    #[test]
    fn a_response_loses_its_length_when_it_was_framed_otherwise() {
        let mut map = headers(&[
            ("content-length", "3"),
            ("connection", "x-a, cache-control"),
            ("x-a", "1"),
        ]);
        map.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        strip_response(&mut map);
        assert_eq!(names(&map), ["cache-control", "content-length"]);
        map.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        strip_response(&mut map);
        assert_eq!(names(&map), ["cache-control"]);
    }
}
