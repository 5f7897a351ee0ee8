//! `GET /{code}`: the hot path. What it does, it does once: no span of its own, no allocation but the response. A plain link that is
//! remembered is followed [`at_once`], before routing; links that have more to be judged are [`gated`]'s.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use problem::Problem;
use telemetry::TraceContext;

use super::App;
use super::documented::Refusals;
use super::{gated, preview};
use crate::clicks::{Click, Left};
use crate::error::LinkError;
use crate::link::Code;
use crate::operations::Destination;
use crate::visit::Visit;

/// Keeps counting honest: a cache that answered in our place would hide clicks, also the one that every browser keeps for a 301.
pub(super) const UNCACHED: HeaderValue = HeaderValue::from_static("private, no-store, max-age=0");

/// The route of [`follow`], and so of [`at_once`]: one label in metrics and traces.
pub(super) const ROUTE: &str = "/{code}";

/// Follow a link
///
/// Needs no token. Each `GET` counts as a click, shortly after it is answered; a `HEAD` asks where a link leads without following it, and
/// does not count, but uses up a click of a link with a cap, for it tells as much. Robots are led on and counted apart; a link with a cap
/// they are refused. Programs give a link's password as `Link-Password`. Whoever accepts `text/html` is answered with a page instead of a
/// problem document. Unless the link has `edge_cache_s` the answer must not be cached, permanent or not: what a cache answers is not
/// counted.
#[utoipa::path(
    get,
    path = "/{code}",
    operation_id = "follow_link",
    tag = "redirects",
    security(()),
    params(
        ("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$"),
        ("Link-Password" = Option<String>, Header, description = "The password of a link that has one, in UTF-8", nullable = false)
    ),
    responses(
        (status = 301, description = "A permanent link", headers(
            ("Location" = String, description = "Where it leads"),
            ("Cache-Control" = String, description = "`private, no-store, max-age=0`, or with `edge_cache_s` what lets a shared cache answer"))),
        (status = 302, description = "A link", headers(
            ("Location" = String, description = "Where it leads, or its fallback"),
            ("Cache-Control" = String, description = "`private, no-store, max-age=0`, or with `edge_cache_s` what lets a shared cache answer"))),
        (status = 401, description = "`password_required`, or `password_wrong`: not the password, or no such link", body = Problem, content_type = "application/problem+json", headers(
            ("WWW-Authenticate" = String, description = "`Link-Password`"))),
        (status = 403, description = "`robot_refused`: the link has a cap", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such link, or `link_not_active_yet`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The link has expired, is archived (`link_archived`), leads to a known bad URL (`known_bad_url`), or was followed as often as it may be (`click_cap_reached`)", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_password_tries`", body = Problem, content_type = "application/problem+json", headers(
            ("Retry-After" = String, description = "When to try again, in seconds"))),
        Refusals
    )
)]
pub(super) async fn follow(State(app): State<App>, request: Request) -> Response {
    let Some(code) = code_of(request.uri().path()) else {
        return Box::pin(preview::or_missing(&app, request.uri().path(), request.headers())).await;
    };
    let found = match app.links.follow_remembered(&code) {
        Some(found) => found,
        None => app.links.follow_link(&code).await,
    };
    match found {
        Ok(destination) if destination.gates.is_none() => {
            let mut left = Left::Behind;
            let (method, headers) = (request.method(), request.headers());
            let response = plain(&app, method, headers, destination, &mut left);
            match left {
                Left::Behind => response,
                left => Box::pin(once_safe(&app, request.headers(), response, left)).await,
            }
        }
        found => {
            let (headers, method) = (request.headers(), request.method());
            let asked = gated::Asked {
                code: &code,
                headers,
                method,
            };
            Box::pin(gated::follow(&app, asked, found)).await
        }
    }
}

/// Most redirects: a plain link that is remembered, and nobody waits for its click. `None` is for [`follow`].
pub(super) fn at_once(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) || app.clicks.is_durable() {
        return None;
    }
    let destination = app.links.follow_at_once(&code_of(uri.path())?)?;
    Some(plain(app, method, headers, destination, &mut Left::Behind))
}

/// Only time can stand against it.
fn plain(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    destination: Arc<Destination>,
    left: &mut Left,
) -> Response {
    let now_ms = app.links.clock.unix_ms();
    if destination.lifetime.is_over(now_ms) {
        return gated::refused(app, headers, LinkError::Expired);
    }
    if app.links.is_known_bad(&destination.location) {
        return gated::refused(app, headers, LinkError::KnownBad);
    }
    app.metrics.redirects_found.inc();
    let status = status(&destination);
    let response = redirect(status, destination.location.clone(), UNCACHED);
    if *method == Method::GET {
        let visit = app.visits.of(headers, now_ms, false);
        *left = record(app, destination, now_ms, visit);
    }
    response
}

/// Answers when the click is safe.
async fn once_safe(app: &App, headers: &HeaderMap, response: Response, left: Left) -> Response {
    if app.clicks.is_safe(left).await {
        response
    } else {
        gated::refused(app, headers, LinkError::ClickNotSafe)
    }
}

/// The code in `/{code}`, percent-decoded only where there is something to decode.
pub(super) fn code_of(path: &str) -> Option<Code> {
    Code::parse(&decoded(path)?)
}

/// What stands behind the slash.
pub(super) fn decoded(path: &str) -> Option<Cow<'_, str>> {
    let segment = path.strip_prefix('/')?;
    if segment.contains('%') {
        percent_decode_str(segment).decode_utf8().ok()
    } else {
        Some(Cow::Borrowed(segment))
    }
}

pub(super) fn status(destination: &Destination) -> StatusCode {
    if destination.lifetime.is_permanent() {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::FOUND
    }
}

pub(super) fn redirect(status: StatusCode, location: HeaderValue, caching: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, caching);
    response
}

/// Who asks, as far as a link that leads some elsewhere wants to know it.
pub(super) fn visit_of(app: &App, headers: &HeaderMap) -> Visit {
    app.visits.of(headers, app.links.clock.unix_ms(), true)
}

/// Leaves the click for the flusher, which appends it to the stream, in general after the answer is on its way.
pub(super) fn record(app: &App, destination: Arc<Destination>, at_ms: u64, visit: Visit) -> Left {
    let context = TraceContext::current().filter(TraceContext::sampled);
    app.clicks.push(Click {
        destination,
        at_ms,
        visit: app.visits.kept(visit),
        context,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_from_the_path_however_it_is_spelled() {
        assert_eq!(code_of("/abc"), Code::parse("abc"));
        assert_eq!(code_of("/%61b%63"), Code::parse("abc"));
        for path in [
            "/",
            "/%00abc",
            "/%ff%fe%fd",
            "/%2e%2e",
            "/a%2Fb",
            "/abc%",
            "/ab",
            "abc",
        ] {
            assert_eq!(code_of(path), None, "{path}");
        }
    }
}
