//! `GET /{code}`: the hot path. What it does, it does once: no span of its own, no allocation but the response.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use problem::Problem;
use telemetry::TraceContext;

use super::App;
use super::documented::Refusals;
use crate::clicks::Click;
use crate::error::LinkError;
use crate::link::Code;
use crate::operations::Destination;
use crate::visit::Visit;

/// Keeps counting honest: a cache that answered in our place would hide clicks, also the one that every browser keeps for a 301.
const UNCACHED: HeaderValue = HeaderValue::from_static("private, no-store, max-age=0");

/// Follow a link
///
/// Needs no token. Each `GET` counts as a click, shortly after it is answered; a `HEAD` asks where a link leads without following it, and
/// does not count. The answer must not be cached, permanent or not: what a cache answers is not counted.
#[utoipa::path(
    get,
    path = "/{code}",
    operation_id = "follow_link",
    tag = "redirects",
    security(()),
    params(("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$")),
    responses(
        (status = 301, description = "A permanent link", headers(
            ("Location" = String, description = "Where it leads"),
            ("Cache-Control" = String, description = "Always `private, no-store, max-age=0`"))),
        (status = 302, description = "A link", headers(
            ("Location" = String, description = "Where it leads"),
            ("Cache-Control" = String, description = "Always `private, no-store, max-age=0`"))),
        (status = 404, description = "No such link", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The link has expired", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn follow(State(app): State<App>, request: Request) -> Response {
    let Some(code) = code_of(request.uri().path()) else {
        app.metrics.redirects_missing.inc();
        return refused(LinkError::NotFound);
    };
    let found = match app.links.follow_remembered(&code) {
        Some(found) => found,
        None => app.links.follow_link(&code).await,
    };
    match found {
        Ok(destination) => {
            app.metrics.redirects_found.inc();
            let response = redirect(&destination);
            if *request.method() == Method::GET {
                record(&app, destination);
            }
            response
        }
        Err(error) => {
            match error {
                LinkError::NotFound => app.metrics.redirects_missing.inc(),
                LinkError::Expired => app.metrics.redirects_expired.inc(),
                _ => app.metrics.redirects_failed.inc(),
            };
            refused(error)
        }
    }
}

/// The code in `/{code}`, percent-decoded only where there is something to decode.
fn code_of(path: &str) -> Option<Code> {
    let segment = path.strip_prefix('/')?;
    let decoded = if segment.contains('%') {
        percent_decode_str(segment).decode_utf8().ok()?
    } else {
        Cow::Borrowed(segment)
    };
    Code::parse(&decoded)
}

fn redirect(destination: &Destination) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = if destination.lifetime.is_permanent() {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::FOUND
    };
    let headers = response.headers_mut();
    headers.insert(LOCATION, destination.location.clone());
    headers.insert(CACHE_CONTROL, UNCACHED);
    response
}

/// Leaves the click for the flusher, which appends it to the stream after the answer is on its way.
fn record(app: &App, destination: Arc<Destination>) {
    let context = TraceContext::current().filter(TraceContext::sampled);
    app.clicks.push(Click {
        destination,
        at_ms: app.links.clock.unix_ms(),
        visit: Visit::default(),
        context,
    });
}

/// 404, 410 and 301 may be kept by caches unless told otherwise, and a link may be made at any time.
fn refused(error: LinkError) -> Response {
    Problem::from(error)
        .header(CACHE_CONTROL, UNCACHED)
        .into_response()
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
