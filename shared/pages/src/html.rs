//! A page as a response: its headers are part of it, so no page can go out without them.

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use maud::Markup;

/// A whole page with its status. Sends a strict content security policy (no scripts, styles and images from our own origin,
/// no framing), `no-store`, `nosniff` and a same-origin referrer policy: with `no-referrer`, browsers send `Origin: null` on our
/// own forms, and the check against forged requests would refuse them.
#[derive(Clone, Debug)]
pub struct Html {
    status: StatusCode,
    policy: HeaderValue,
    markup: Markup,
}

fn policy(form_target: Option<&str>) -> Option<HeaderValue> {
    let target = form_target.map(|origin| format!(" {origin}")).unwrap_or_default();
    HeaderValue::try_from(format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{target}; base-uri 'none'; frame-ancestors 'none'"
    ))
    .ok()
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
        let policy = policy(None).expect("the fixed policy is a valid header value");
        Self {
            status: StatusCode::OK,
            policy,
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
        if is_origin(origin)
            && let Some(policy) = policy(Some(origin))
        {
            self.policy = policy;
        }
        self
    }

    /// The page's text, e.g. for a test.
    pub fn as_str(&self) -> &str {
        &self.markup.0
    }
}

impl IntoResponse for Html {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (CONTENT_SECURITY_POLICY, self.policy),
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
            assert_eq!(page.clone().with_form_target(bad).policy, page.policy, "{bad}");
        }
        let widened = page.with_form_target("http://127.0.0.1:8080").policy;
        assert!(
            widened
                .to_str()
                .unwrap()
                .contains("form-action 'self' http://127.0.0.1:8080;")
        );
    }
}
