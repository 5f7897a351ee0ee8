//! The crate against a real server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod appends;
mod buckets;
mod faults;

use std::time::Duration;

use bytes::Bytes;
use clock::SystemClock;
use nats::{Append, Expect, Nats, NatsError, NatsSettings, StreamLimits};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};

fn telemetry() -> Telemetry {
    Telemetry::new(
        "nats-test",
        "1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    )
    .unwrap()
}

async fn connect_to(url: &str, settings: NatsSettings) -> Result<Nats, NatsError> {
    Nats::connect(url, settings, telemetry(), SystemClock::shared()).await
}

/// A connection with a prefix of its own; `None` where there is no server.
async fn connect(test: &str) -> Option<Nats> {
    let url = engines::url(Kind::Nats, test)?;
    let url = format!("{url}?prefix={}", engines::fresh_name(test));
    Some(connect_to(&url, NatsSettings::default()).await.unwrap())
}

fn limits() -> StreamLimits {
    StreamLimits {
        messages_max: 1_000,
        bytes_max: 1_000_000,
        window: Duration::from_mins(1),
        per_subject_max: 0,
    }
}

/// A stream of ours and the subject it takes.
async fn stream(nats: &Nats, limits: &StreamLimits) -> (String, String) {
    let (name, subject) = (nats.stream_name("s"), nats.subject(&["s"]));
    nats.open_stream(&name, vec![subject.clone()], limits)
        .await
        .unwrap();
    (name, subject)
}

fn message(subject: &str, id: &str, expect: Expect) -> Append {
    Append {
        subject: subject.to_owned(),
        payload: Bytes::copy_from_slice(id.as_bytes()),
        id: Some(id.to_owned()),
        expect,
    }
}

/// A server that answers again may need a moment until the connection knows.
async fn healthy(nats: &Nats) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while nats.probe().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    patience.await.expect("the server is healthy");
}
