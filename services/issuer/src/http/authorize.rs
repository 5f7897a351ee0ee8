//! The sign-in page and what it sends.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, StatusCode};
use identity::{Principal, Scopes, Tenant, User};
use problem::Problem;

use super::{App, guard};
use crate::operations::authorize::{self, AuthorizeRequest, OPENID, Refusal};
use crate::pages::{error_page, sign_in};
use crate::params::Params;

/// An authorization request (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
#[derive(utoipa::IntoParams, utoipa::ToSchema)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters, which are read by hand so that repeated names are seen"
)]
pub(crate) struct AuthorizeParams {
    /// `code`.
    #[param(pattern = "^code$")]
    #[schema(pattern = "^code$")]
    response_type: String,
    /// `orrery-gateway`.
    #[param(pattern = "^orrery-gateway$")]
    #[schema(pattern = "^orrery-gateway$")]
    client_id: String,
    /// An allowed address, character by character.
    #[param(min_length = 1)]
    #[schema(min_length = 1)]
    redirect_uri: String,
    /// base64url of the SHA-256 of the verifier.
    #[param(pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    #[schema(pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    code_challenge: String,
    /// `S256`.
    #[param(pattern = "^S256$")]
    #[schema(pattern = "^S256$")]
    code_challenge_method: String,
    /// `links:read`, `links:write`, `ledger:read`, `ledger:write`, `payments:read`, `payments:write`, `console:read` and `openid`,
    /// separated by spaces; `openid` asks for an ID token.
    scope: Option<String>,
    /// Comes back with the answer.
    #[param(max_length = 512)]
    #[schema(max_length = 512)]
    state: Option<String>,
    /// Goes into the ID token.
    #[param(max_length = 256)]
    #[schema(max_length = 256)]
    nonce: Option<String>,
}

/// The sign-in form: the request again, and what the person said.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is read by hand so that repeated names are seen"
)]
pub(crate) struct SignInForm {
    #[serde(flatten)]
    request: AuthorizeParams,
    /// The proof that our page drew the form.
    form: String,
    /// The tenant.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    tenant: String,
    /// The user.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    user: String,
    /// A scope that is allowed; as often as there are.
    grant: Option<Vec<String>>,
}

/// The sign-in page: pick a tenant, a name and what to allow.
#[utoipa::path(get, path = "/oauth2/authorize", params(AuthorizeParams), responses(
    (status = 200, description = "The sign-in page", content_type = "text/html"),
    (status = 303, description = "The request is refused: `error` at the client's address"),
    (status = 400, description = "Client or address are not known", content_type = "text/html"),
    (status = 403, description = "Other machines can reach the issuer, or it was asked for by a name that is not loopback", content_type = "text/html"),
))]
pub(super) async fn show(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    if !guard::is_local(&headers, &app) {
        return not_local();
    }
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    match authorize::check(&params, &app.rules) {
        Ok(request) => sign_in::page(&app, &request, &sign_in::Entry::fresh(&request)).into_response(),
        Err(refusal) => refused(refusal),
    }
}

/// The sign-in form: answers with a code at the client's address.
#[utoipa::path(post, path = "/oauth2/authorize",
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed in: `code`, `state` and `iss` at the client's address"),
        (status = 400, description = "Client or address are not known", content_type = "text/html"),
        (status = 403, description = "Not sent by our own page, or too old", content_type = "text/html"),
        (status = 422, description = "The page again, saying what is wrong", content_type = "text/html"),
        (status = 503, description = "Too many sign-ins wait, or the database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if !guard::is_local(&headers, &app) {
        return Ok(not_local());
    }
    let params = Params::parse(&body);
    let request = match authorize::check(&params, &app.rules) {
        Ok(request) => request,
        Err(refusal) => return Ok(refused(refusal)),
    };
    let now_ms = app.clock.unix_ms();
    let drawn_by_us = app
        .forms
        .check(params.get("form").unwrap_or_default(), &request, now_ms);
    if !drawn_by_us || !guard::is_own_form(&headers, &app) {
        let why =
            "This form is too old, or was not sent from the sign-in page. Begin again from the start page.";
        return Ok(error_page(StatusCode::FORBIDDEN, "Begin again", why).into_response());
    }
    let entry = sign_in::Entry::sent(&params);
    let Some(principal) = principal(&entry, &request) else {
        let page = sign_in::page(&app, &request, &entry).with_status(StatusCode::UNPROCESSABLE_ENTITY);
        return Ok(page.into_response());
    };
    // Owned: a person who closes the tab leaves no half-made code behind, and none uncounted.
    let granting = app.clone();
    let granted = server::owned(async move {
        let granted = authorize::grant(&*granting.store, &granting.rules, request, principal, now_ms).await;
        if matches!(granted, Ok(Some(_))) {
            granting.metrics.code_granted();
        }
        granted
    });
    match granted.await? {
        Some(location) => Ok(sent_to(&location)),
        None => Err(Problem::unavailable(
            "too many sign-ins wait to be completed",
            std::time::Duration::from_secs(10),
        )),
    }
}

/// Who signs in, if tenant and name are valid: with what was ticked, and never more than the client asked for.
fn principal(entry: &sign_in::Entry, request: &AuthorizeRequest) -> Option<Principal> {
    let asked = |scope: &&str| request.scopes.contains(scope);
    let ticked = entry
        .ticked
        .iter()
        .map(String::as_str)
        .chain([OPENID])
        .filter(asked);
    Some(Principal {
        tenant: Tenant::parse(&entry.tenant).ok()?,
        user: User::parse(&entry.user).ok()?,
        scopes: Scopes::of(ticked).ok()?,
    })
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Shown(why) => {
            error_page(StatusCode::BAD_REQUEST, "This request cannot be answered", why).into_response()
        }
        Refusal::Sent { location } => sent_to(&location),
    }
}

fn not_local() -> Response {
    let why = "Anybody may sign in as anybody here, so the sign-in page answers on 127.0.0.1 and localhost only, and only where no other machine can reach the issuer. Programs get tokens with API keys.";
    error_page(StatusCode::FORBIDDEN, "Only on this machine", why).into_response()
}

fn sent_to(location: &str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, location), (CACHE_CONTROL, "no-store")],
    )
        .into_response()
}
