//! Who is asking: the token in the header, or in the session cookie of a browser.

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use identity::{Principal, Verifier};

use crate::error::Refusal;
use crate::headers::cookies::{self, Cookies};

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
    if proof == Proof::Cookie && !method.is_safe() && !server::same_origin(headers, public.as_str()) {
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
    if let Some(token) = server::bearer_token(headers).map_err(|_| Refusal::NotBearer)? {
        return Ok((token, Proof::Header));
    }
    let token = cookies::read(headers, &cookies.session).ok_or(Refusal::NoToken)?;
    Ok((token, Proof::Cookie))
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
}
