//! OTLP in: over HTTP (protobuf or JSON, compressed or not) on the role's API port, over gRPC on a port of its own. Both
//! end in [`decode`] and in the same answer: what was not taken is told as `partial_success`, so that a program that sends
//! too much reads why instead of sending it again.

pub(crate) mod decode;
pub(crate) mod grpc;
pub(crate) mod http;
mod weight;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};

use crate::console::Console;

/// A request may be this large once unpacked, ..
pub(crate) const UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// .. and take this much once decoded.
pub(crate) const WEIGHT_MAX: usize = 32 * 1024 * 1024;
/// Requests that are read and decoded at once; further ones wait.
pub(crate) const PLACES: usize = 2;
/// How long a request may wait for its place and take in all.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// When to come back when there was no place.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is said of metrics and logs: they are read by nobody here, and a program that sends them is not to blame.
pub(crate) const NOT_KEPT: &str =
    "the console keeps traces only: it reads metrics from /metrics, and logs stay where they are written";

/// Takes what can be taken of a request.
pub(crate) fn take(console: &Console, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse {
    let taken = console.ingest(decode::spans(request, console.now_unix_ms()));
    let partial = (taken.refused > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: i64::try_from(taken.refused).unwrap_or(i64::MAX),
        error_message: taken.why.unwrap_or_default().to_owned(),
    });
    ExportTraceServiceResponse {
        partial_success: partial,
    }
}
