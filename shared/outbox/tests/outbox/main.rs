//! The outbox's promises: the relay's core under any order of faults, and the whole on each pair of engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bounds;
mod contract;
mod engines;
mod faulty_log;
mod model;

use clock::SystemClock;
use streams::Event;
use telemetry::{Telemetry, TelemetrySettings};

/// Where everything is published.
const STREAM: &str = "payment";

fn telemetry() -> Telemetry {
    let settings = TelemetrySettings::default();
    Telemetry::new("outbox-test", "1", &settings, SystemClock::shared()).unwrap()
}

/// An event of an aggregate.
#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and names alike, as each case reads best"
)]
fn event(id: impl ToString, aggregate: &str) -> Event {
    let id = id.to_string();
    Event::new(
        id,
        "/test",
        "test.happened",
        aggregate,
        1_767_225_600_000,
        &"data",
    )
    .unwrap()
}
