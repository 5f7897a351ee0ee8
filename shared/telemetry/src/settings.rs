//! What an operator may tune. Telemetry never stops a request, so every limit here trades what is seen for memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How spans travel to the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProtocol {
    /// OTLP over gRPC, usually port 4317.
    #[default]
    Grpc,
    /// OTLP over HTTP with protobuf bodies, usually port 4318; `/v1/traces` is appended to the endpoint.
    Http,
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// One line for people at a terminal.
    Text,
}

/// The `[telemetry]` settings, the same for every role of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Where spans go, as `http://host:port`; no span is made while it is unset.
    pub otlp_endpoint: Option<String>,
    /// How spans travel: `grpc` or `http`.
    pub otlp_protocol: OtlpProtocol,
    /// How long one export may take before its batch is given up, in milliseconds.
    pub otlp_timeout_ms: u64,
    /// Spans that may wait for export; more are dropped and counted.
    pub otlp_queue_spans_max: usize,
    /// Spans in one export.
    pub otlp_batch_spans_max: usize,
    /// The longest a finished span waits for its batch to fill, in milliseconds.
    pub otlp_flush_interval_ms: u64,
    /// The share of traces that is recorded, 0 to 1, judged by trace id so that every role agrees.
    pub sample_ratio: f64,
    /// A request slower than this gets its span even when its trace was not sampled, in milliseconds.
    pub slow_request_ms: u64,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list of directives such as `info,shortener=debug`.
    pub log_level: String,
    /// `json` or `text`.
    pub log_format: LogFormat,
    /// Label sets one metric may have; further ones are counted as `other`.
    pub metric_series_max: usize,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_protocol: OtlpProtocol::default(),
            otlp_timeout_ms: 3_000,
            otlp_queue_spans_max: 8_192,
            otlp_batch_spans_max: 512,
            otlp_flush_interval_ms: 1_000,
            sample_ratio: 1.0,
            slow_request_ms: 500,
            log_level: "info".to_owned(),
            log_format: LogFormat::default(),
            metric_series_max: 1_000,
        }
    }
}
