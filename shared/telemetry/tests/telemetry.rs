//! Telemetry of several roles in one process, against a real OTLP receiver.

#[path = "telemetry/export.rs"]
mod export;
#[path = "telemetry/metrics.rs"]
mod metrics;
#[path = "telemetry/openmetrics.rs"]
mod openmetrics;
#[path = "telemetry/outage.rs"]
mod outage;
#[path = "telemetry/sampling.rs"]
mod sampling;

use std::time::Duration;

use clock::SystemClock;
use telemetry::{OtlpProtocol, Telemetry, TelemetrySettings};
use testkit::otlp::OtlpReceiver;

/// Far beyond what anything here takes: only a failure waits this long.
const DEADLINE: Duration = Duration::from_secs(20);

fn settings(receiver: &OtlpReceiver, otlp_protocol: OtlpProtocol) -> TelemetrySettings {
    let endpoint = match otlp_protocol {
        OtlpProtocol::Grpc => receiver.grpc_endpoint(),
        OtlpProtocol::Http => receiver.http_endpoint(),
    };
    TelemetrySettings {
        otlp_endpoint: Some(endpoint),
        otlp_protocol,
        ..Default::default()
    }
}

fn role(name: &'static str, settings: &TelemetrySettings) -> Telemetry {
    Telemetry::new(name, "test-1", settings, SystemClock::shared()).expect("the settings are valid")
}

/// The value of a series in a scrape.
fn scraped(telemetry: &Telemetry, series: &str) -> Option<f64> {
    let (_, body) = telemetry.encode(None).expect("a scrape");
    let body = String::from_utf8(body).expect("a scrape is UTF-8");
    let line = body
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.split(' ').next()?.parse().ok()
}
