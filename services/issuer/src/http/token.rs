//! The token endpoint (RFC 6749, section 3.2). Its errors have OAuth's own form; only a failure of ours is a problem document.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use problem::Problem;
use serde::Serialize;

use super::App;
use crate::operations::token_request::{self, Refusal, TokenAnswer};
use crate::params::Params;

/// Tokens stay out of every cache (RFC 6749, section 5.1).
const NO_STORE: [(http::HeaderName, &str); 2] = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];

/// Demanded of every 401 (RFC 6749, section 5.2).
const CHALLENGE: [(http::HeaderName, &str); 1] = [(WWW_AUTHENTICATE, "Basic realm=\"orrery\"")];

const INVALID_CLIENT: &str = "invalid_client";

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OauthError {
    /// `invalid_request`, `invalid_client`, `invalid_grant`, `invalid_scope` or `unsupported_grant_type`.
    error: &'static str,
    /// For whoever writes the client.
    error_description: &'static str,
}

/// The form of a token request.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "describes the form, which is read by hand so that repeated names are seen"
)]
pub(crate) enum TokenForm {
    /// After a sign-in.
    Code(CodeForm),
    /// Of a machine client.
    Client(ClientForm),
}

/// A code from a sign-in, to be exchanged.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is read by hand so that repeated names are seen"
)]
pub(crate) struct CodeForm {
    #[schema(pattern = "^authorization_code$")]
    /// `authorization_code`.
    grant_type: String,
    #[schema(pattern = "^orrery-gateway$")]
    /// `orrery-gateway`.
    client_id: String,
    #[schema(min_length = 1)]
    /// From the sign-in.
    code: String,
    #[schema(min_length = 1)]
    /// As in the sign-in.
    redirect_uri: String,
    #[schema(pattern = "^[A-Za-z0-9._~-]{43,128}$")]
    /// 43 to 128 unreserved characters: what the challenge is the SHA-256 of.
    code_verifier: String,
}

/// A machine client that asks for a token of its own.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is read by hand so that repeated names are seen"
)]
pub(crate) struct ClientForm {
    #[schema(pattern = "^client_credentials$")]
    /// `client_credentials`.
    grant_type: String,
    /// The client, unless the `Authorization: Basic` header names it.
    #[schema(required = false)]
    client_id: String,
    /// The client's API key, unless it stands in the header.
    #[schema(required = false)]
    client_secret: String,
    /// Some of the client's scopes, separated by spaces; without it, all of them.
    #[schema(required = false)]
    scope: String,
}

/// Exchanges an authorization code for a token (each code works once), or gives a machine client a token for its API key.
#[utoipa::path(post, path = "/oauth2/token",
    security((), ("client" = [])),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = TokenAnswer),
        (status = 400, description = "Refused", body = OauthError),
        (status = 401, description = "The client or its API key is not valid (any more)", body = OauthError,
            headers(("www-authenticate" = String, description = "`Basic`"))),
        (status = 415, description = "Not a form", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn exchange(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::unsupported_media_type(
            "application/x-www-form-urlencoded",
        ));
    }
    // An unreadable header is a header: it must not be taken for a client that proves itself in the form.
    let authorization = headers
        .get(AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default().to_owned());
    let params = Params::parse(&body);
    // Owned: a code that is taken gets its token made and counted, even if the client has gone.
    match server::owned(answer(app, params, authorization)).await {
        Ok(answer) => Ok((NO_STORE, server::Json(answer)).into_response()),
        Err(Refusal::Oauth { error, description }) => {
            let body = refused(error, description);
            Ok((StatusCode::BAD_REQUEST, NO_STORE, body).into_response())
        }
        Err(Refusal::Unauthenticated(description)) => {
            let body = refused(INVALID_CLIENT, description);
            Ok((StatusCode::UNAUTHORIZED, CHALLENGE, NO_STORE, body).into_response())
        }
        Err(Refusal::Internal(error)) => Err(error.into()),
    }
}

fn refused(error: &'static str, description: &'static str) -> server::Json<OauthError> {
    server::Json(OauthError {
        error,
        error_description: description,
    })
}

async fn answer(app: App, params: Params, authorization: Option<String>) -> Result<TokenAnswer, Refusal> {
    let grant_type = token_request::grant_type(&params).inspect_err(|refusal| count(&app, refusal))?;
    let (store, now_ms) = (&*app.store, app.clock.unix_ms());
    let header = authorization.as_deref();
    let answer = token_request::answer(
        grant_type,
        store,
        &app.rules,
        &app.secret,
        &params,
        header,
        now_ms,
    );
    match answer.await {
        Ok(answer) => {
            app.metrics.token_issued(grant_type);
            Ok(answer)
        }
        Err(refusal) => {
            count(&app, &refusal);
            Err(refusal)
        }
    }
}

fn count(app: &App, refusal: &Refusal) {
    match refusal {
        Refusal::Oauth { error, .. } => app.metrics.token_refused(error),
        Refusal::Unauthenticated(_) => app.metrics.token_refused(INVALID_CLIENT),
        Refusal::Internal(_) => {}
    }
}
