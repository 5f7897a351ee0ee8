//! What a fleet leaves on the shared engines would fill them, run by run: tables cost heap, streams reserve disk.

use std::time::Duration;

use clock::{SharedClock, SystemClock};
use nats::{Nats, NatsError, NatsSettings};
use telemetry::{Telemetry, TelemetrySettings};
use wide::{Wide, WideError, WideSettings};

use super::EngineUrls;

/// An engine that is away keeps what it has; it is this test's own, or the next `engines down --wipe` takes it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Drops the fleet's keyspace and its streams. Call it when no process of the fleet lives any more.
pub(super) fn remove(engines: &EngineUrls) {
    let engines = engines.clone();
    let removing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let all = async { tokio::join!(keyspace(&engines.cql), streams(&engines.nats)) };
            _ = tokio::time::timeout(PATIENCE, all).await;
        });
    });
    // Whatever is left is no reason to fail a test.
    _ = removing.join();
}

async fn keyspace(url: &str) -> Result<(), WideError> {
    let (telemetry, clock) = bench();
    let wide = Wide::connect(url, WideSettings::default(), telemetry, clock).await?;
    let name = wide.keyspace().to_owned();
    wide.drop_keyspace(&name).await?;
    wide.close().await;
    Ok(())
}

async fn streams(url: &str) -> Result<(), NatsError> {
    let (telemetry, clock) = bench();
    let nats = Nats::connect(url, NatsSettings::default(), telemetry, clock).await?;
    let prefix = nats.prefix();
    let bucket = |name: &str| format!("$KV.{prefix}_{name}.>");
    for subject in [format!("{prefix}.>"), bucket("progress"), bucket("leases")] {
        for (name, _) in nats.streams_of(&subject).await? {
            nats.delete_stream(&name).await?;
        }
    }
    nats.close().await;
    Ok(())
}

fn bench() -> (Telemetry, SharedClock) {
    let clock = SystemClock::shared();
    let settings = TelemetrySettings::default();
    let telemetry =
        Telemetry::new("leftovers", "test", &settings, clock.clone()).expect("the defaults are good");
    (telemetry, clock)
}
