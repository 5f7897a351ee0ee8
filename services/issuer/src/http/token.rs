//! The token endpoint (RFC 6749, section 3.2). Its errors have OAuth's own form; only a failure of ours is a problem document.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use http::{HeaderMap, StatusCode};
use problem::Problem;
use serde::Serialize;

use super::App;
use crate::operations::exchange_code::{self, Refusal, TokenAnswer};
use crate::params::Params;

/// Tokens stay out of every cache (RFC 6749, section 5.1).
const NO_STORE: [(http::HeaderName, &str); 2] = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OauthError {
    /// `invalid_request`, `invalid_client`, `invalid_grant` or `unsupported_grant_type`.
    error: &'static str,
    /// For whoever writes the client.
    error_description: &'static str,
}

/// The form of a token request.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is read by hand so that repeated names are seen"
)]
pub(crate) struct TokenForm {
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

/// Exchanges an authorization code for a token. Each code works once.
#[utoipa::path(post, path = "/oauth2/token",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = TokenAnswer),
        (status = 400, description = "Refused", body = OauthError),
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
    let params = Params::parse(&body);
    let exchanging = app.clone();
    // Owned: a code that is taken gets its token made and counted, even if the client has gone.
    let answer = server::owned(async move {
        let now_ms = exchanging.clock.unix_ms();
        let answer = exchange_code::exchange(&*exchanging.store, &exchanging.rules, &params, now_ms).await;
        match &answer {
            Ok(_) => exchanging.metrics.token_issued(),
            Err(Refusal::Oauth { error, .. }) => exchanging.metrics.token_refused(error),
            Err(Refusal::Internal(_)) => {}
        }
        answer
    });
    match answer.await {
        Ok(answer) => Ok((NO_STORE, server::Json(answer)).into_response()),
        Err(Refusal::Oauth { error, description }) => {
            let body = OauthError {
                error,
                error_description: description,
            };
            Ok((StatusCode::BAD_REQUEST, NO_STORE, server::Json(body)).into_response())
        }
        Err(Refusal::Internal(error)) => Err(error.into()),
    }
}
