//! Who is asking: the token in the header, or in the session cookie of a browser.

use http::header::{ACCEPT, AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use identity::{Principal, Verifier};

use crate::error::Refusal;
use crate::headers::cookies::{self, Cookies};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How the caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A header, which no other site can make a browser send.
    Header,
    /// The session cookie, which a browser sends whoever made the request.
    Cookie,
}

/// Verifies the caller. A cookie's token becomes the `Authorization` header that the upstream verifies again.
pub(crate) async fn authenticate(
    headers: &mut HeaderMap,
    method: &Method,
    verifier: &Verifier,
    cookies: &Cookies,
    public: &http::uri::Authority,
) -> Result<Principal, Refusal> {
    let (token, proof) = token(headers, cookies)?;
    if proof == Proof::Cookie && !method.is_safe() && !from_our_own_page(headers, public) {
        return Err(Refusal::Csrf);
    }
    let principal = verifier.verify(token).await?;
    if proof == Proof::Cookie {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Refusal::NotBearer)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(principal)
}

/// A header wins over the cookie, also a useless one: what the caller says expressly is not replaced by what the browser
/// adds by itself.
fn token<'h>(headers: &'h HeaderMap, cookies: &Cookies) -> Result<(&'h str, Proof), Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = given.next() else {
        let token = cookies::read(headers, &cookies.session).ok_or(Refusal::NoToken)?;
        return Ok((token, Proof::Cookie));
    };
    if given.next().is_some() {
        return Err(Refusal::NotBearer);
    }
    let (scheme, token) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(Refusal::NotBearer)?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Refusal::NotBearer);
    }
    Ok((token, Proof::Header))
}

/// Whether one of our own pages made this request. `Origin` decides when it is there (`null` is nobody's); without it only
/// the browser's own word `same-origin` counts.
pub(crate) fn from_our_own_page(headers: &HeaderMap, public: &http::uri::Authority) -> bool {
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
    let ours = authority.eq_ignore_ascii_case(public.as_str()) || authority.eq_ignore_ascii_case(host);
    matches!(scheme, "http" | "https") && !authority.is_empty() && ours
}

/// Whether a person is looking: a browser opening a page, not a program.
pub(crate) fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts_html = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    *method == Method::GET && headers.get(ACCEPT).is_some_and(accepts_html)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn the_header_wins_over_the_cookie_and_must_be_one_bearer_token() {
        let cookies = Cookies::new(8080, false);
        let cookie = ("cookie", "orrery_session_8080=from-cookie");
        let read = |lines: &[(&'static str, &'static str)]| {
            token(&headers(lines), &cookies)
                .map(|(token, proof)| (token.to_owned(), proof))
                .map_err(|e| e.code())
        };
        assert_eq!(read(&[cookie]), Ok(("from-cookie".to_owned(), Proof::Cookie)));
        assert_eq!(
            read(&[cookie, ("authorization", "bearer  t")]),
            Ok(("t".to_owned(), Proof::Header))
        );
        for bad in ["Basic dTpw", "Bearer", "Bearer ", "t", ""] {
            assert_eq!(
                read(&[cookie, ("authorization", bad)]),
                Err("unauthenticated"),
                "{bad}"
            );
        }
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
        assert_eq!(read(&twice), Err("unauthenticated"));
        assert_eq!(read(&[]), Err("unauthenticated"));
    }

    #[test]
    fn only_our_own_pages_may_change_things_with_the_cookie() {
        let public = "go.example:8080".parse().expect("an authority");
        let ours = |lines: &[(&'static str, &'static str)]| from_our_own_page(&headers(lines), &public);
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
