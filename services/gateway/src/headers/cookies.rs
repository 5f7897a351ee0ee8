//! Our two cookies: read here, never forwarded. Cookies ignore ports, so each is named by the gateway's own.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

const SESSION: &str = "orrery_session_";
const SIGN_IN: &str = "orrery_sign_in_";

/// The names and attributes of this gateway's cookies.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    pub(crate) session: String,
    pub(crate) sign_in: String,
    secure: &'static str,
}

impl Cookies {
    /// For the gateway that clients reach at `port`; over https cookies never travel without it.
    pub(crate) fn new(port: u16, https: bool) -> Self {
        Self {
            session: format!("{SESSION}{port}"),
            sign_in: format!("{SIGN_IN}{port}"),
            secure: if https { "; Secure" } else { "" },
        }
    }

    /// `Set-Cookie` for the session: it ends with its token.
    pub(crate) fn set_session(&self, token: &str, max_age_s: u64) -> Option<HeaderValue> {
        self.set(&self.session, token, "/", max_age_s)
    }

    /// `Set-Cookie` that ends the session.
    pub(crate) fn end_session(&self) -> Option<HeaderValue> {
        self.set(&self.session, "", "/", 0)
    }

    /// `Set-Cookie` for a sign-in that is under way; only the callback gets to see it.
    pub(crate) fn set_sign_in(&self, value: &str, max_age_s: u64) -> Option<HeaderValue> {
        self.set(&self.sign_in, value, crate::sign_in::CALLBACK, max_age_s)
    }

    /// `Set-Cookie` that ends a sign-in: it can be used once.
    pub(crate) fn end_sign_in(&self) -> Option<HeaderValue> {
        self.set(&self.sign_in, "", crate::sign_in::CALLBACK, 0)
    }

    fn set(&self, name: &str, value: &str, path: &str, max_age_s: u64) -> Option<HeaderValue> {
        // The token is the issuer's text: what could end the value early is no cookie.
        let plain = value
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(&b));
        let secure = self.secure;
        let text =
            format!("{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
        plain.then(|| HeaderValue::from_str(&text).ok()).flatten()
    }
}

/// The value of the first cookie of that name.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        pair.trim_ascii()
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b"=")
    });
    values
        .next()
        .and_then(|value| std::str::from_utf8(value).ok())
        .filter(|value| !value.is_empty())
}

/// Takes out every gateway's cookies, those of other ports too, and leaves the rest as they were.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) {
        return;
    }
    let ours = |pair: &&[u8]| pair.starts_with(SESSION.as_bytes()) || pair.starts_with(SIGN_IN.as_bytes());
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| {
        line.as_bytes()
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii)
    });
    let kept = pairs
        .filter(|pair| !pair.is_empty() && !ours(pair))
        .collect::<Vec<_>>()
        .join(&b"; "[..]);
    headers.remove(COOKIE);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
        headers.insert(COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; orrery_session_80801=x"));
        headers.append(
            COOKIE,
            HeaderValue::from_static("orrery_session_8080=tok=en; empty="),
        );
        assert_eq!(read(&headers, "orrery_session_8080"), Some("tok=en"));
        assert_eq!(read(&headers, "orrery_session_80"), None);
        assert_eq!(read(&headers, "empty"), None);
    }

    #[test]
    fn no_upstream_sees_a_session_of_any_gateway() {
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            HeaderValue::from_static("a=1; orrery_session_8080=secret;b=2"),
        );
        headers.append(
            COOKIE,
            HeaderValue::from_static("orrery_session_9000=secret; orrery_sign_in_8080=secret"),
        );
        strip(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        headers.insert(COOKIE, HeaderValue::from_static("orrery_session_8080=secret"));
        strip(&mut headers);
        assert!(!headers.contains_key(COOKIE));
    }

    #[test]
    fn a_token_cannot_break_out_of_its_cookie() {
        let cookies = Cookies::new(8080, true);
        let set = cookies.set_session("abc", 60).expect("a plain token");
        assert_eq!(
            set,
            "orrery_session_8080=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(cookies.set_session("abc; Domain=evil", 60).is_none());
        assert!(cookies.set_session("abc\r\nX: y", 60).is_none());
    }
}
