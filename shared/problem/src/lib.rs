#![doc = include_str!("../README.md")]

mod constructors;
mod document;
pub mod openapi;
mod response;

use std::fmt;
use std::time::Duration;

pub use document::{Document, FieldError, MEDIA_TYPE};
pub use http::StatusCode;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A refusal or failure as the client sees it, plus what only the operator sees.
///
/// Boxed inside, so that `Result<T, Problem>` stays two words.
#[derive(Clone)]
pub struct Problem(Box<Inner>);

#[derive(Clone)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: String,
    cause: Option<String>,
    retryable: bool,
    retry_after: Option<Duration>,
    errors: Vec<FieldError>,
    headers: HeaderMap,
    request_id: Option<String>,
    trace_id: Option<String>,
}

impl Problem {
    /// A problem with a stable `code` (lower case with underscores) and a `detail` written for the client.
    ///
    /// Not retryable unless [`retryable`](Self::retryable) or [`retry_after`](Self::retry_after) says so.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(
            code.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
            "a code is lower case with underscores: {code}"
        );
        Self(Box::new(Inner {
            status,
            code,
            detail: detail.into(),
            cause: None,
            retryable: false,
            retry_after: None,
            errors: Vec::new(),
            headers: HeaderMap::new(),
            request_id: None,
            trace_id: None,
        }))
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// When to try again; makes the problem retryable. Rendered in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retryable = true;
        self.0.retry_after = Some(after);
        self
    }

    /// Names one wrong field by JSON pointer (`/tags/3`; the empty pointer is the whole body).
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Adds a response header (for example `WWW-Authenticate`).
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Headers that were added to it, for whoever shows it as something else than a document.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// What the operator reads in the log; never rendered.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Sets the ids that tie the answer to the log and the trace; `server` does this at the edge.
    #[must_use]
    pub fn identified(mut self, request_id: Option<String>, trace_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self.0.trace_id = trace_id;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The sentence for the client.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The sentence for the operator.
    pub fn operator_cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// When to try again.
    pub fn retry_after_hint(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The fields that are wrong, where known.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.0.status.as_u16())
            .field("code", &self.0.code)
            .field("detail", &self.0.detail)
            .field("cause", &self.0.cause)
            .field("errors", &self.0.errors)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.code, self.0.detail)
    }
}

impl std::error::Error for Problem {}
