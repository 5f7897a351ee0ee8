//! The store behind a network that fails.

use crate::{NOON, telemetry};
use clock::SystemClock;
use leases::{LeaseStore, NatsLeaseStore};
use nats::{Nats, NatsSettings};
use std::time::Duration;
use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;

const LEASE: u64 = 30_000;
/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_refuses_within_its_deadline_and_is_there_again_by_itself() {
    let test = "a_store_that_is_away_refuses_within_its_deadline_and_is_there_again_by_itself";
    let Some(address) = engines::address(Kind::Nats, test) else {
        return;
    };
    let proxy = FaultProxy::to(address).await;
    let url = format!(
        "nats://{}?prefix={}",
        proxy.address(),
        engines::fresh_name("leases")
    );
    let settings = NatsSettings {
        request_timeout_ms: 500,
        ..NatsSettings::default()
    };
    let nats = Nats::connect(&url, settings, telemetry(), SystemClock::shared());
    let nats = nats.await.expect("the server answers");
    let store = NatsLeaseStore::open(&nats).await.expect("the bucket is made");
    let held = store
        .acquire("me", NOON, NOON + LEASE)
        .await
        .expect("a slot is free");

    for (fault, break_it) in [
        ("cut", FaultProxy::cut as fn(&FaultProxy)),
        ("stalled", FaultProxy::stall),
        ("half open", FaultProxy::half_open),
    ] {
        break_it(&proxy);
        let refused = tokio::time::timeout(PATIENCE, store.renew(&held, NOON + 2 * LEASE)).await;
        let error = refused.expect("a deadline").expect_err(fault);
        assert!(error.retryable(), "{fault}: {error}");
        proxy.heal();
        let renewed = tokio::time::timeout(PATIENCE, async {
            loop {
                match store.renew(&held, NOON + 2 * LEASE).await {
                    Ok(until) => return until,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let renewed = renewed.await.expect("it is there again by itself");
        // Whether the refused one was carried out or not, the record is the same.
        assert_eq!(renewed, NOON + 2 * LEASE, "{fault}");
    }
}
