//! `GET /{code}+`: where a link leads, for who would rather know before following it. Never follows, never counts.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use problem::Problem;
use serde::Serialize;
use server::Json;
use utoipa::ToSchema;

use super::App;
use super::documented::Refusals;
use super::gated::{refused, wants_page};
use super::redirect::{UNCACHED, decoded, visit_of};
use crate::error::LinkError;
use crate::link::Code;
use crate::operations::{Closed, Destination, Question, Verdict, decide};
use crate::pages::visitor;

const VARIES: (HeaderName, HeaderValue) = (VARY, HeaderValue::from_static("accept"));

/// What can be told about a link to anybody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkPreview)]
pub(crate) struct PreviewBody {
    /// What stands behind the slash.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]*[A-Za-z0-9_]$", example = "4kT9xQz")]
    pub code: String,
    /// The link's address.
    #[schema(format = "uri", example = "http://127.0.0.1:8080/4kT9xQz")]
    pub short_url: String,
    /// Whether it would be followed now.
    pub state: PreviewState,
    /// Where it would lead whoever asks; `null` where it leads nowhere, and for links with a password or a cap.
    #[schema(required, format = "uri")]
    pub url: Option<String>,
    /// The host of that, international names as punycode.
    #[schema(required)]
    pub host: Option<String>,
    /// Whether the host's name has letters beyond a to z, which may look like another's.
    pub international: bool,
    /// Whether others may be led elsewhere.
    pub varies: bool,
    /// Whether browsers remember where it leads.
    pub permanent: bool,
}

/// Whether a link would be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PreviewState {
    /// It leads on.
    Open,
    /// It leads to its fallback.
    Fallback,
    /// It asks for a password.
    Password,
    /// It may be followed a limited number of times.
    Limited,
    /// It is archived.
    Archived,
    /// Its time has not come.
    NotYet,
    /// It has expired.
    Expired,
    /// Where it leads is known to be bad.
    Blocked,
}

/// Look before following
///
/// The link's address with a `+` behind it. Where the link would lead whoever asks; nothing is followed or counted. Whoever accepts
/// `text/html` is answered with a page.
#[utoipa::path(
    get,
    path = "/{code}+",
    operation_id = "preview_link",
    tag = "redirects",
    security(()),
    params(("code" = String, Path, description = "What stands between the slash and the plus", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$")),
    responses(
        (status = 200, description = "What can be told", body = PreviewBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store, max-age=0`"))),
        (status = 404, description = "No such link", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn or_missing(app: &App, path: &str, headers: &HeaderMap) -> Response {
    let path = decoded(path);
    let code = path
        .as_deref()
        .and_then(|path| Code::parse(path.strip_suffix('+')?));
    let Some(code) = code else {
        return refused(app, headers, LinkError::NotFound);
    };
    let found = match app.links.follow_remembered(&code) {
        Some(found) => found,
        None => app.links.follow_link(&code).await,
    };
    let preview = match found {
        Ok(destination) => preview(app, headers, &destination),
        Err(error) => return refused(app, headers, error),
    };
    if wants_page(headers) {
        return ([VARIES], visitor::preview(&preview)).into_response();
    }
    ([VARIES, (CACHE_CONTROL, UNCACHED)], Json(preview)).into_response()
}

fn preview(app: &App, headers: &HeaderMap, destination: &Destination) -> PreviewBody {
    let visit = visit_of(app, headers);
    let question = Question {
        now_ms: app.links.clock.unix_ms(),
        visit: &visit,
        unlocked: false,
        slot: None,
    };
    let known_bad = |location| app.links.is_known_bad(location);
    let (state, location) = match decide(destination, &question) {
        Verdict::To(location) | Verdict::Instead(location) if known_bad(location) => {
            (PreviewState::Blocked, None)
        }
        Verdict::To(location) => (PreviewState::Open, Some(location)),
        Verdict::Instead(location) => (PreviewState::Fallback, Some(location)),
        Verdict::SlotWanted { .. } | Verdict::No(Closed::Robot | Closed::CapReached) => {
            (PreviewState::Limited, None)
        }
        Verdict::No(Closed::PasswordWanted) => (PreviewState::Password, None),
        Verdict::No(Closed::Archived) => (PreviewState::Archived, None),
        Verdict::No(Closed::NotYet) => (PreviewState::NotYet, None),
        Verdict::No(Closed::Over) => (PreviewState::Expired, None),
    };
    let url = location
        .and_then(|location| location.to_str().ok())
        .map(str::to_owned);
    let host = url.as_deref().and_then(host_of);
    let routed = destination
        .gates
        .as_ref()
        .is_some_and(|gates| !gates.rules.is_empty() || !gates.weighted.is_empty());
    PreviewBody {
        code: destination.code.to_string(),
        short_url: app.short_url(&destination.code),
        state,
        international: host.as_deref().is_some_and(is_international),
        url,
        host,
        varies: state == PreviewState::Open && routed,
        permanent: destination.lifetime.is_permanent(),
    }
}

/// As it stands in the URL's normal form, where international names are punycode.
fn host_of(url: &str) -> Option<String> {
    url::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

fn is_international(host: &str) -> bool {
    host.split('.').any(|label| label.starts_with("xn--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_international_host_is_told_by_any_of_its_labels() {
        assert_eq!(
            host_of("https://xn--80ak6aa92e.com/").as_deref(),
            Some("xn--80ak6aa92e.com")
        );
        assert!(is_international("xn--80ak6aa92e.com"));
        assert!(is_international("shop.xn--bcher-kva.example"));
        assert!(!is_international("axn--b.example"));
    }
}
