//! Redirects that take more than a look at the clock: passwords, caps, destinations for some; and refusals, which people read as pages.

use std::sync::Arc;

use axum::extract::{Form, FromRequest as _, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::documented::Refusals;
use super::redirect::{self, UNCACHED, code_of, visit_of};
use crate::error::LinkError;
use crate::link::Code;
use crate::operations::{Closed, Destination, Question, Verdict, decide};
use crate::pages::visitor;
use crate::visit::client_of;

const LINK_PASSWORD: HeaderName = HeaderName::from_static("link-password");

/// Browsers apply `form-action` also to where a form's answer leads, and where that is must not be told before the password is right.
/// The page has one form, and nothing on it comes from elsewhere.
const PASSWORD_PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'",
);

/// A link's password as people send it.
#[derive(Deserialize, ToSchema)]
#[schema(as = LinkPassword)]
pub(super) struct PasswordForm {
    /// The password.
    #[schema(max_length = 128, format = Password)]
    password: String,
}

/// A request for a link.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) code: &'a Code,
    pub(super) headers: &'a HeaderMap,
    pub(super) method: &'a Method,
}

/// Answers `GET` and `HEAD` for a link with gates, and for what was not found.
pub(super) async fn follow(
    app: &App,
    asked: Asked<'_>,
    found: Result<Arc<Destination>, LinkError>,
) -> Response {
    let given = asked.headers.get(LINK_PASSWORD);
    let is_locked = match &found {
        Ok(destination) => destination.gates.as_ref().is_some_and(|gates| gates.password),
        // Whether there is a link is not told to who tries passwords.
        Err(error) => matches!(error, LinkError::NotFound),
    };
    let outcome = match (given, found) {
        (Some(given), _) if is_locked => unlocked(app, asked, given.to_str().ok()).await,
        (_, Ok(destination)) => judged(app, asked, destination, false).await,
        (_, Err(error)) => Err(error),
    };
    outcome.unwrap_or_else(|error| answer_refused(app, asked, error))
}

/// Give a link's password
///
/// How people do it; programs send `Link-Password` with `GET`. The right one leads on, and counts as a click. A wrong one and a code
/// of no link are answered alike, after the same work. Tries are limited for each client and link.
#[utoipa::path(
    post,
    path = "/{code}",
    operation_id = "unlock_link",
    tag = "redirects",
    security(()),
    params(("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$")),
    request_body(content = PasswordForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "The password is right", headers(
            ("Location" = String, description = "Where the link leads"),
            ("Cache-Control" = String, description = "Always `private, no-store, max-age=0`"))),
        (status = 401, description = "`password_wrong`: not the password, or no such link", body = Problem, content_type = "application/problem+json", headers(
            ("WWW-Authenticate" = String, description = "`Link-Password`"))),
        (status = 404, description = "No link can have this code, or `link_not_active_yet`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`robot_refused`: the link has a cap", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long to arrive", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The link has expired, is archived (`link_archived`), or was followed as often as it may be (`click_cap_reached`)", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be a form", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The form has no password", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_password_tries`", body = Problem, content_type = "application/problem+json", headers(
            ("Retry-After" = String, description = "When to try again, in seconds"))),
        Refusals
    )
)]
pub(super) async fn unlock(State(app): State<App>, request: Request) -> Response {
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let Some(code) = code_of(&path) else {
        return refused(&app, &headers, LinkError::NotFound);
    };
    let asked = Asked {
        code: &code,
        headers: &headers,
        method: &Method::POST,
    };
    let password = match Form::<PasswordForm>::from_request(request, &()).await {
        Ok(Form(form)) => form.password,
        Err(rejection) => return unreadable(rejection.status()).into_response(),
    };
    let outcome = unlocked(&app, asked, Some(&password)).await;
    outcome.unwrap_or_else(|error| answer_refused(&app, asked, error))
}

fn unreadable(status: StatusCode) -> Problem {
    match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::unsupported_media_type("application/x-www-form-urlencoded")
        }
        StatusCode::UNPROCESSABLE_ENTITY => Problem::invalid_field("/password", "the form has no password"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "payload_too_large", "the form is too large"),
        _ => Problem::malformed("malformed_form", "this is not a form"),
    }
}

async fn unlocked(app: &App, asked: Asked<'_>, password: Option<&str>) -> Result<Response, LinkError> {
    // No password that was ever set looks like what cannot be read.
    let password = password.unwrap_or_default();
    let opened = app
        .links
        .unlock_link(asked.code, password, client_of(asked.headers))
        .await;
    judged(app, asked, opened?, true).await
}

/// Whether a slot would be used up for a URL that nobody is led to.
fn would_lead_to_bad(app: &App, destination: &Destination, question: Question<'_>) -> bool {
    let let_in = Question {
        slot: Some(true),
        ..question
    };
    matches!(decide(destination, &let_in), Verdict::To(location) if app.links.is_known_bad(location))
}

/// Leads where the link leads whoever asks, now.
async fn judged(
    app: &App,
    asked: Asked<'_>,
    destination: Arc<Destination>,
    unlocked: bool,
) -> Result<Response, LinkError> {
    let visit = visit_of(app, asked.headers);
    let mut question = Question {
        now_ms: app.links.clock.unix_ms(),
        visit: &visit,
        unlocked,
        slot: None,
    };
    let mut verdict = decide(&destination, &question);
    if let Verdict::SlotWanted { cap } = verdict {
        // Nobody is let through to a known bad URL, so no slot is used up for it.
        if would_lead_to_bad(app, &destination, question) {
            return Err(LinkError::KnownBad);
        }
        question.slot = Some(app.links.take_slot(&destination, cap).await?);
        verdict = decide(&destination, &question);
    }
    if let Verdict::To(location) | Verdict::Instead(location) = verdict
        && app.links.is_known_bad(location)
    {
        return Err(LinkError::KnownBad);
    }
    let is_form = *asked.method == Method::POST;
    let status = |status| if is_form { StatusCode::SEE_OTHER } else { status };
    match verdict {
        Verdict::To(location) => {
            app.metrics.redirects_found.inc();
            let caching = if is_form {
                UNCACHED
            } else {
                caching(app, &destination, question.now_ms)
            };
            let response =
                redirect::redirect(status(redirect::status(&destination)), location.clone(), caching);
            if *asked.method != Method::HEAD {
                let left = redirect::record(app, destination, question.now_ms, visit);
                if !app.clicks.is_safe(left).await {
                    return Err(LinkError::ClickNotSafe);
                }
            }
            Ok(response)
        }
        Verdict::Instead(location) => {
            app.metrics.redirects_fallback.inc();
            Ok(redirect::redirect(
                status(StatusCode::FOUND),
                location.clone(),
                UNCACHED,
            ))
        }
        // A slot was taken, or was not: it is not wanted twice.
        Verdict::SlotWanted { .. } => Err(LinkError::Overloaded),
        Verdict::No(closed) => Err(match closed {
            Closed::Archived => LinkError::Archived,
            Closed::NotYet => LinkError::NotActiveYet,
            Closed::Over => LinkError::Expired,
            Closed::CapReached => LinkError::CapReached,
            Closed::PasswordWanted => LinkError::PasswordWanted,
            Closed::Robot => LinkError::RobotRefused,
        }),
    }
}

/// What lets an edge answer in our place for the time that the link allows, and no longer than the link lasts.
fn caching(app: &App, destination: &Destination, now_ms: u64) -> HeaderValue {
    let allowed_s = destination.gates.as_ref().and_then(|gates| gates.edge_cache_s);
    let Some(allowed_s) = allowed_s else {
        return UNCACHED;
    };
    let left_s = destination
        .lifetime
        .expires_at_ms()
        .map_or(u64::MAX, |at_ms| at_ms.saturating_sub(now_ms) / 1_000);
    let fresh_s = u64::from(allowed_s).min(left_s);
    let stale_s = u64::from(app.links.limits.details.edge_stale_s).min(left_s - fresh_s);
    let value = format!("public, max-age=0, s-maxage={fresh_s}, stale-while-revalidate={stale_s}");
    HeaderValue::try_from(value).unwrap_or(UNCACHED)
}

/// Whether a person looks: browsers say so, programs do not.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accepts_html = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    headers.get(ACCEPT).is_some_and(accepts_html)
}

fn answer_refused(app: &App, asked: Asked<'_>, error: LinkError) -> Response {
    let asks = matches!(
        error,
        LinkError::PasswordWanted | LinkError::PasswordWrong | LinkError::TooManyTries(_)
    );
    if !asks || !wants_page(asked.headers) {
        return refused(app, asked.headers, error);
    }
    counted(app, &error);
    let problem = Problem::from(error);
    let page = visitor::password(asked.code, &problem).with_status(problem.status());
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, PASSWORD_PAGE_POLICY);
    if problem.status() == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Link-Password"));
    }
    if let Some(wait) = problem.retry_after_hint() {
        headers.insert(RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}

/// 404, 410 and 301 may be kept by caches unless told otherwise, and a link may be made at any time.
pub(super) fn refused(app: &App, headers: &HeaderMap, error: LinkError) -> Response {
    counted(app, &error);
    let problem = Problem::from(error);
    // What is our fault is logged with its cause, as a problem is.
    if wants_page(headers) && problem.status().is_client_error() {
        let page = visitor::closed(&problem).with_status(problem.status());
        return page.into_response();
    }
    problem.header(CACHE_CONTROL, UNCACHED).into_response()
}

fn counted(app: &App, error: &LinkError) {
    let metrics = &app.metrics;
    match error {
        LinkError::NotFound => metrics.redirects_missing.inc(),
        LinkError::Expired => metrics.redirects_expired.inc(),
        LinkError::Archived
        | LinkError::NotActiveYet
        | LinkError::CapReached
        | LinkError::RobotRefused
        | LinkError::KnownBad => metrics.redirects_closed.inc(),
        LinkError::PasswordWanted | LinkError::PasswordWrong | LinkError::TooManyTries(_) => {
            metrics.redirects_locked.inc()
        }
        _ => metrics.redirects_failed.inc(),
    };
}
