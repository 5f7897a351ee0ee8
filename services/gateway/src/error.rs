//! Why the gateway refuses a request, and what the client reads about it.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use client::ClientError;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use identity::VerifyError;
use limits::LimitError;
use problem::Problem;

use crate::headers::ConnectionError;
use crate::path::PathError;
use crate::routes::{Route, Upstream};

/// When to ask again for something that is down.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A stopped request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is nothing here")]
    NotFound,
    #[error("this path does not have that method")]
    Method(&'static str),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("this request has passed through this gateway before")]
    Loop,
    #[error("exactly one Host header with a host and a port is needed")]
    Host,
    #[error("a token is needed: `Authorization: Bearer …`")]
    NoToken,
    #[error("exactly one `Authorization: Bearer …` header is needed")]
    NotBearer,
    #[error(transparent)]
    Token(#[from] VerifyError),
    #[error("a change made with the session cookie must come from a page of this site")]
    Csrf,
    #[error("the rate limit of this tenant is used up")]
    RateLimited(Duration),
    #[error("so many tenants are at work that no other can be reckoned with at the moment; nothing was done")]
    LimiterFull(Duration),
    #[error("how fast this tenant may go cannot be told at the moment; nothing was done")]
    Limiter(#[from] LimitError),
    #[error("the {} {}", .0.name(), told(.1))]
    Upstream(Upstream, ClientError),
}

impl Refusal {
    pub(crate) fn method(route: &Route) -> Self {
        Self::Method(route.allowed())
    }

    /// The stable code: what the problem says and metrics count.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::Path(_) => "malformed_path",
            Self::Connection(_) => "malformed_connection_header",
            Self::Loop => "loop_detected",
            Self::Host => "malformed_host",
            Self::Token(VerifyError::KeysUnavailable) => "issuer_unavailable",
            Self::NoToken | Self::NotBearer | Self::Token(_) => "unauthenticated",
            Self::Csrf => "csrf",
            Self::RateLimited(_) => "too_many_requests",
            Self::LimiterFull(_) => "rate_limiter_full",
            Self::Limiter(error) => error.code(),
            Self::Upstream(_, error) => error.code(),
        }
    }

    /// Whether the same request may pass a little later.
    pub(crate) fn retryable(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::LimiterFull(_) => true,
            Self::Limiter(error) => error.retryable(),
            Self::Token(error) => error.retryable(),
            Self::Upstream(_, error) => error.retryable(),
            _ => false,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Path(_) | Self::Connection(_) | Self::Host => StatusCode::BAD_REQUEST,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Token(VerifyError::KeysUnavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoToken | Self::NotBearer | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Csrf => StatusCode::FORBIDDEN,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream(_, ClientError::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            Self::LimiterFull(_) | Self::Limiter(_) | Self::Upstream(..) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn problem(&self) -> Problem {
        let problem = Problem::new(self.status(), self.code(), self.to_string()).retryable(self.retryable());
        match self {
            Self::Method(allowed) => problem.header(ALLOW, HeaderValue::from_static(allowed)),
            Self::RateLimited(after) | Self::LimiterFull(after) => problem.retry_after(*after),
            Self::Limiter(cause) => problem.retry_after(RETRY_AFTER).cause(cause),
            Self::Upstream(_, ClientError::Timeout) => problem,
            Self::Upstream(_, cause) => problem.retry_after(RETRY_AFTER).cause(cause),
            Self::Token(VerifyError::KeysUnavailable) => problem.retry_after(RETRY_AFTER),
            // RFC 6750: a request without any token gets the bare challenge, a bad token is named as such.
            Self::NoToken => problem.header(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"orrery\""),
            ),
            Self::NotBearer | Self::Token(_) => problem.header(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"orrery\", error=\"invalid_token\""),
            ),
            _ => problem,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}

/// What a client may know about an upstream's failure; the log has the cause.
fn told(error: &ClientError) -> &'static str {
    match error {
        ClientError::Unavailable { .. } => "cannot be reached at the moment; nothing was done",
        ClientError::Saturated => "has too many requests in flight from here; nothing was done",
        ClientError::Timeout => "did not answer before the deadline; whether it acts is unknown",
        _ => "broke off before it answered; whether it acted is unknown, the same Idempotency-Key finds out",
    }
}
