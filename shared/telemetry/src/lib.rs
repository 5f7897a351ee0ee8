#![doc = include_str!("../README.md")]

mod attribute;
mod context;
mod error;
mod export;
mod logs;
mod metrics;
mod redact;
mod request;
mod role;
mod sampling;
mod settings;
mod span;

pub use attribute::AttributeValue;
pub use context::{SpanId, TraceContext, TraceId};
pub use error::TelemetryError;
pub use metrics::{
    Cardinality, Counts, Durations, HttpMetrics, InFlight, MetricDescription, MetricKind, OTHER, Operation,
    Operations, Registry,
};
pub use redact::{MASK, is_secret_name, redacted};
pub use request::{Finished, RequestEnd, RequestSpan, method_name};
pub use role::Telemetry;
pub use settings::{LogFormat, OtlpProtocol, TelemetrySettings};
pub use span::{Span, SpanKind};

/// The metrics library whose metrics a [`Registry`] takes, so that a crate with a metric of its own kind speaks of the
/// same version.
pub use prometheus_client;
