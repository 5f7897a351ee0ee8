//! What a problem looks like on the wire.

use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Problem;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body; empty for the whole body.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// A problem as it is sent and as a client reads it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document {
    /// `urn:orrery:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, in words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable and part of the API; what a program should look at.
    pub code: String,
    /// What a person should read.
    pub detail: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The fields that are wrong, where known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Finds the request in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Finds the trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Problem {
    /// What is sent.
    pub fn document(&self) -> Document {
        let inner = &self.0;
        Document {
            kind: format!("urn:orrery:problem:{}", inner.code),
            title: inner.status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: inner.status.as_u16(),
            code: inner.code.to_owned(),
            detail: inner.detail.clone(),
            retryable: inner.retryable,
            errors: inner.errors.clone(),
            request_id: inner.request_id.clone(),
            trace_id: inner.trace_id.clone(),
        }
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> std::borrow::Cow<'static, str> {
        Document::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Document::schemas(schemas);
    }
}
