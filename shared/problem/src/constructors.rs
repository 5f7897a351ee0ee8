//! The problems that every service needs, so that one code means one thing everywhere.

use std::fmt;
use std::time::Duration;

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::Problem;

impl Problem {
    /// 400 for a request that cannot be parsed. `code` says which part (`malformed_json`, `malformed_path`, ...).
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401 `unauthenticated`, with the `WWW-Authenticate: Bearer` challenge of RFC 6750.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail).header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"orrery\""),
        )
    }

    /// 403 `forbidden`: we know who asks, and they may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404 `not_found`.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405 `method_not_allowed`; `allow` is the value of the `Allow` header, where known.
    pub fn method_not_allowed(allow: Option<HeaderValue>) -> Self {
        let problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this resource does not have that method",
        );
        match allow {
            Some(allow) => problem.header(ALLOW, allow),
            None => problem,
        }
    }

    /// 408 `request_timeout`: the client was too slow to send its request. Retryable.
    pub fn request_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the request took too long to arrive",
        )
        .retryable(true)
    }

    /// 409 with a code of its own (`alias_taken`, `idempotency_in_flight`, ...).
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 410 `gone`: it was here and will not come back.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", detail)
    }

    /// 413 `payload_too_large`.
    pub fn payload_too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("the body may have at most {bytes_max} bytes"),
        )
    }

    /// 415 `unsupported_media_type`.
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("the body must be sent as {expected}"),
        )
    }

    /// 422 `invalid_request`: well formed, but not acceptable. Add [`field`](Self::field)s where known.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
    }

    /// 422 `invalid_request` about one field.
    pub fn invalid_field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::invalid_request(detail.clone()).field(pointer, detail)
    }

    /// 429 `too_many_requests`.
    pub fn too_many_requests(retry_after: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "the rate limit is used up",
        )
        .retry_after(retry_after)
    }

    /// 500 `internal`: the cause goes to the log, the client learns only that it was our fault.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong on our side",
        )
        .cause(cause)
    }

    /// 503 `unavailable`: safe to try again after `retry_after`.
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(retry_after)
    }

    /// 504 `deadline_exceeded`: the time the caller gave was used up. Retryable with a new deadline; a write may have happened.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "deadline_exceeded",
            "the request was not answered before its deadline",
        )
        .retryable(true)
    }
}
