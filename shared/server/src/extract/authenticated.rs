use axum::extract::{FromRef, FromRequestParts};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use identity::{Principal, Verifier, VerifyError};
use problem::Problem;
use std::time::Duration;

/// How long to stay away while the issuer's keys are out of reach.
const KEYS_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Who is asking, by the bearer token of the request; 401 without a good one. The state must have a
/// [`Verifier`] (`impl FromRef<YourState> for Verifier`).
#[derive(Clone, Debug)]
pub struct Authenticated(
    /// The principal.
    pub Principal,
);

impl Authenticated {
    /// Refuses with 403 `insufficient_scope` unless the token has `scope`.
    pub fn require(&self, scope: &str) -> Result<(), Problem> {
        if self.0.may(scope) {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            format!("the token does not have the scope {scope}"),
        );
        let challenge = format!("Bearer realm=\"orrery\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Err(match HeaderValue::try_from(challenge) {
            Ok(challenge) => problem.header(WWW_AUTHENTICATE, challenge),
            Err(_not_a_header) => problem,
        })
    }
}

impl<S> FromRequestParts<S> for Authenticated
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer_token(&parts.headers)
            .map_err(|error| Problem::unauthenticated(error.to_string()))?
            .ok_or_else(|| Problem::unauthenticated("a bearer token is needed"))?;
        match Verifier::from_ref(state).verify(token).await {
            Ok(principal) => Ok(Self(principal)),
            Err(error) => Err(refusal(error)),
        }
    }
}

/// An `Authorization` header that is not one bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header must be `Bearer <token>`")]
pub struct NotBearer;

/// The bearer token of a request (RFC 6750, 2.1); `None` without an `Authorization` header. Two of them are an argument between
/// proxies that nobody should win.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, NotBearer> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(NotBearer);
    }
    let text = value.to_str().map_err(|_| NotBearer)?;
    let (scheme, token) = text.split_once(' ').ok_or(NotBearer)?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(NotBearer);
    }
    Ok(Some(token))
}

/// The client reads that the token is not good; the reason is for it to mend, so it is said.
fn refusal(error: VerifyError) -> Problem {
    if error.retryable() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), error.to_string())
            .retry_after(KEYS_RETRY_AFTER);
    }
    Problem::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string()).header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"orrery\", error=\"invalid_token\""),
    )
}
