//! Every metric of the client.

use telemetry::{Durations, Telemetry};

/// `http_client_request_duration_seconds{method,server,outcome}`: until the answer's head; `outcome` is its status, or the
/// error's code.
#[derive(Debug, Clone)]
pub(crate) struct ClientMetrics {
    pub(crate) durations: Durations,
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    ClientMetrics::register(telemetry);
}

impl ClientMetrics {
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        Self {
            durations: Durations::register(
                telemetry,
                "http_client_request_duration",
                "How long calls to other roles took until the answer's head, by peer and outcome",
                &["method", "server", "outcome"],
            ),
        }
    }
}
