//! Rate, errors and duration of a served API, by matched route.

use http::Method;
use prometheus_client::metrics::gauge::Gauge;

use super::family::Durations;
use crate::request::{Finished, method_name};
use crate::role::Telemetry;

/// The RED metrics of one listener: `http_server_request_duration_seconds{method,route,status}` with trace exemplars,
/// and `http_server_active_requests`.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    durations: Durations,
    in_flight: Gauge,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl HttpMetrics {
    /// Registers them; once a role.
    pub fn register(telemetry: &Telemetry) -> Self {
        let durations = Durations::register(
            telemetry,
            "http_server_request_duration",
            "How long requests took, by matched route and answer",
            &["method", "route", "status"],
        );
        let in_flight = Gauge::default();
        telemetry.registry(|registry| {
            registry.register(
                "http_server_active_requests",
                "Requests being served",
                &[],
                in_flight.clone(),
            );
        });
        Self { durations, in_flight }
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a finished request. An empty route means that none matched.
    pub fn observe(&self, method: &Method, route: &str, status: u16, finished: Finished) {
        let route = if route.is_empty() { "none" } else { route };
        let digits = status_digits(status);
        let status = std::str::from_utf8(&digits).unwrap_or(super::OTHER);
        self.durations.observe(
            &[method_name(method), route, status],
            finished.elapsed,
            finished.recorded,
        );
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Three digits without allocating.
fn status_digits(status: u16) -> [u8; 3] {
    let digit = |place: u16| b'0' + u8::try_from(status / place % 10).expect("a digit");
    [digit(100), digit(10), digit(1)]
}
