//! One request on its way through: checked, stripped, passed on, and its answer passed back as it comes.

mod upstream;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, LOCATION};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Version};
use limits::Decision;
use server::{REQUEST_ID_HEADER, RequestId, ShownAs};

use crate::access;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::headers::forwarded::{self, Hop};
use crate::headers::{self, cookies};
use crate::pages;
use crate::path;
use crate::routes::{Access, Route, Shape};
use crate::sign_in;

/// Answers one request of that route.
pub(crate) async fn forward(gateway: &Gateway, route: &'static Route, request: Request) -> Response {
    let mut decision = None;
    let a_person_looks =
        route.access == Access::Page && access::wants_page(request.method(), request.headers());
    let mut response = match pass(gateway, route, request, &mut decision).await {
        Ok(response) => response,
        Err(refusal) => {
            gateway.metrics.refused(route.upstream.name(), refusal.code());
            let mut response = refusal.into_response();
            if a_person_looks && response.status().is_server_error() {
                response.extensions_mut().insert(ShownAs(pages::trouble::page));
            }
            response
        }
    };
    if let Some(decision) = decision {
        gateway.limits.tell(response.headers_mut(), &decision);
    }
    response
}

async fn pass(
    gateway: &Gateway,
    route: &'static Route,
    request: Request,
    decision: &mut Option<Decision>,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    if !route.allows(&parts.method) {
        return Err(Refusal::method(route));
    }
    let target = target(route, &parts)?;
    settle_host(&mut parts)?;
    if forwarded::is_loop(&parts.headers) {
        return Err(Refusal::Loop);
    }
    headers::strip_request(&mut parts.headers)?;
    if route.access != Access::Open {
        match admit(gateway, &mut parts, decision).await {
            Err(refusal) if sign_in_helps(route, &parts, &refusal) => return Ok(to_sign_in(&target)),
            admitted => admitted?,
        }
    }
    cookies::strip(&mut parts.headers);
    if let Some(id) = RequestId::current() {
        parts.headers.insert(REQUEST_ID_HEADER, id.header_value());
    }
    forwarded::set(
        &mut parts.headers,
        Hop {
            peer: server::peer().map(|peer| peer.ip()),
            https: gateway.public.is_https(),
        },
    );
    parts.uri = gateway.upstreams.of(route.upstream).with(target);
    let has_body = !body.is_end_stream();
    let response = upstream::send(gateway, route.upstream, parts, has_body.then_some(body)).await?;
    Ok(answer(response))
}

/// One name for us, or it cannot be said which one a page was asked for by (RFC 9112, 3.2). A target in absolute form
/// overrides the header.
fn settle_host(parts: &mut Parts) -> Result<(), Refusal> {
    if let Some(authority) = parts.uri.authority() {
        let value = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
        parts.headers.insert(HOST, value);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let one = match (hosts.next(), hosts.next()) {
        (None, None) => parts.version <= Version::HTTP_10,
        (Some(host), None) => host.to_str().is_ok_and(forwarded::is_host),
        _ => false,
    };
    if one { Ok(()) } else { Err(Refusal::Host) }
}

/// What the upstream is asked for: the path as it came, for it can be read in one way only.
fn target(route: &Route, parts: &Parts) -> Result<PathAndQuery, Refusal> {
    let path = parts.uri.path();
    match route.shape {
        Shape::Tree(_) => {
            path::check(path)?;
            parts.uri.path_and_query().cloned().ok_or(Refusal::NotFound)
        }
        Shape::Code => {
            let code = path::code(path).ok_or(Refusal::NotFound)?;
            let query = parts
                .uri
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            PathAndQuery::try_from(format!("/{code}{query}")).map_err(|_| Refusal::NotFound)
        }
    }
}

/// A token, and a place in its tenant's bucket.
async fn admit(gateway: &Gateway, parts: &mut Parts, decision: &mut Option<Decision>) -> Result<(), Refusal> {
    let Gateway {
        verifier,
        cookies,
        public,
        ..
    } = gateway;
    let authority = &public.authority;
    let principal =
        access::authenticate(&mut parts.headers, &parts.method, verifier, cookies, authority).await?;
    let given = gateway.limits.check(&principal.tenant).await?;
    if given.keys_full {
        // Nothing is known of this tenant's own bucket, so nothing is told of it.
        return Err(Refusal::LimiterFull(given.retry_after.unwrap_or_default()));
    }
    let given = decision.insert(given);
    if !given.allowed {
        gateway.metrics.rate_limited(&principal.tenant);
        return Err(Refusal::RateLimited(given.retry_after.unwrap_or_default()));
    }
    Ok(())
}

/// A browser without a session, or with one that has ended, opens a page.
fn sign_in_helps(route: &Route, parts: &Parts, refusal: &Refusal) -> bool {
    route.access == Access::Page
        && refusal.code() == "unauthenticated"
        && !parts.headers.contains_key(AUTHORIZATION)
        && access::wants_page(&parts.method, &parts.headers)
}

fn to_sign_in(target: &PathAndQuery) -> Response {
    let headers = [
        (LOCATION, sign_in::login_url(target.as_str())),
        (http::header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// As it came, and at the pace of its reader. A body that breaks off is an error here, and the server then cuts the client's
/// connection: nobody takes a part for the whole.
fn answer(response: http::Response<client::ResponseBody>) -> Response {
    let (mut parts, body) = response.into_parts();
    headers::strip_response(&mut parts.headers);
    parts.extensions.insert(server::Forwarded);
    Response::from_parts(parts, Body::new(body))
}
