//! Whether a browser sent a request from a page of ours.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of this site made this request; `public` is the `host:port` that it is known by. `Origin` decides when it is
/// there (`null` is nobody's); without it only the browser's own word `Sec-Fetch-Site: same-origin` counts.
pub fn same_origin(headers: &HeaderMap, public: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| site == "same-origin");
    };
    if origins.next().is_some() {
        return false;
    }
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|text| text.split_once("://")) else {
        return false;
    };
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let ours = authority.eq_ignore_ascii_case(public) || authority.eq_ignore_ascii_case(host);
    matches!(scheme, "http" | "https") && !authority.is_empty() && ours
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn only_our_own_pages_may_change_things_with_the_cookie() {
        let ours = |lines: &[(&'static str, &'static str)]| same_origin(&headers(lines), "go.example:8080");
        let host = ("host", "localhost:8080");
        assert!(ours(&[host, ("origin", "http://localhost:8080")]));
        assert!(ours(&[host, ("origin", "https://GO.example:8080")]));
        assert!(ours(&[host, ("sec-fetch-site", "same-origin")]));
        for origin in [
            "null",
            "http://evil",
            "http://localhost:8081",
            "http://localhost:8080.evil",
            "",
            "ftp://localhost:8080",
        ] {
            assert!(
                !ours(&[host, ("origin", origin), ("sec-fetch-site", "same-origin")]),
                "{origin}"
            );
        }
        assert!(!ours(&[host]), "a browser old enough to send neither is refused");
        assert!(!ours(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!ours(&[("origin", "http://")]), "no host is not our host");
        assert!(!ours(&[
            host,
            ("origin", "http://localhost:8080"),
            ("origin", "http://evil")
        ]));
    }
}
