//! Every metric of the server.

use telemetry::{Counts, HttpMetrics, Telemetry};

/// `http_server_request_duration_seconds{method,route,status}`, `http_server_active_requests`, and
/// `http_server_refused_total{reason}`: what the edge turned away itself.
#[derive(Debug, Clone)]
pub(crate) struct ServerMetrics {
    pub(crate) http: HttpMetrics,
    pub(crate) refused: Counts,
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    ServerMetrics::register(telemetry);
}

impl ServerMetrics {
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        Self {
            http: HttpMetrics::register(telemetry),
            refused: Counts::register(
                telemetry,
                "http_server_refused",
                "Requests that the edge answered itself, by problem code",
                &["reason"],
            ),
        }
    }
}
