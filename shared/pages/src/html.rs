//! A page as a response: its headers are part of it, so no page can go out without them.

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use maud::Markup;

/// A whole page with its status. Sends a strict content security policy (no scripts unless asked for, styles and images from our own origin,
/// no framing), `no-store`, `nosniff` and a same-origin referrer policy: with `no-referrer`, browsers send `Origin: null` on our
/// own forms, and the check against forged requests would refuse them.
#[derive(Clone, Debug)]
pub struct Html {
    status: StatusCode,
    form_target: Option<String>,
    scripts: bool,
    markup: Markup,
}

/// `http://host:port` of plain characters; anything else could widen the policy.
fn is_origin(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'[' | b']'))
    })
}

impl Html {
    pub(crate) fn new(markup: Markup) -> Self {
        Self {
            status: StatusCode::OK,
            form_target: None,
            scripts: false,
            markup,
        }
    }

    /// With another status than 200.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Lets forms on this page end at `origin` (`http://host:port`) too, also by a redirect. Ignored if it is no origin.
    #[must_use]
    pub fn with_form_target(mut self, origin: &str) -> Self {
        self.form_target = is_origin(origin).then(|| origin.to_owned());
        self
    }

    /// Lets the page load our own modules, and lets these ask us: for pages that stay as they are at the server. Scripts in the
    /// page itself stay forbidden.
    #[must_use]
    pub fn with_scripts(mut self) -> Self {
        self.scripts = true;
        self
    }

    fn policy(&self) -> HeaderValue {
        let scripts = if self.scripts {
            " script-src 'self'; connect-src 'self';"
        } else {
            ""
        };
        let target = self.form_target.iter().map(|origin| format!(" {origin}"));
        let target: String = target.collect();
        let policy = format!(
            "default-src 'none';{scripts} style-src 'self'; img-src 'self'; form-action 'self'{target}; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        HeaderValue::try_from(policy).expect("an origin has only plain characters")
    }

    /// The page's text, e.g. for a test.
    pub fn as_str(&self) -> &str {
        &self.markup.0
    }
}

impl IntoResponse for Html {
    fn into_response(self) -> Response {
        let policy = self.policy();
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (CONTENT_SECURITY_POLICY, policy),
        ];
        (self.status, headers, self.markup.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_target_that_is_no_origin_does_not_widen_the_policy() {
        let page = Html::new(maud::html! { "x" });
        for bad in [
            "*",
            "http://",
            "http://a b",
            "http://a;script-src",
            "javascript:x",
            "http://a/'unsafe-inline'",
        ] {
            assert_eq!(
                page.clone().with_form_target(bad).policy(),
                page.policy(),
                "{bad}"
            );
        }
        let widened = page.with_form_target("http://127.0.0.1:8080").policy();
        assert!(
            widened
                .to_str()
                .unwrap()
                .contains("form-action 'self' http://127.0.0.1:8080;")
        );
    }
}
