//! What holds on each pair of engines, written once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use clock::{Clock, SystemClock};
use futures::future::join_all;
use leases::{LeadershipStore, PostgresLeaderships, SqliteLeaderships};
use outbox::{Outbox, OutboxError, OutboxSettings};
use streams::{
    Consumer, ConsumerSettings, Delivery, Group, Handler, HandlerError, Partition, StreamLog, StreamSettings,
};

use crate::engines::{Place, eventually, quick};
use crate::{STREAM, event};

fn ids(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

async fn what_is_committed_is_published_in_order_and_what_is_rolled_back_never(place: Place) {
    let process = place.process(quick());
    for id in 0..20 {
        place
            .append(&[event(id, "payment/1"), event(100 + id, "payment/2")])
            .await;
        let undone = place.act(&[event(1_000 + id, "payment/1")], true).await;
        assert!(
            matches!(undone, Err(OutboxError::TooMany { events: 0 })),
            "{undone:?}"
        );
    }
    place.relayed().await;
    assert_eq!(place.streamed("payment/1").await, ids(0..20));
    assert_eq!(place.streamed("payment/2").await, ids(100..120));
    let again = place.act(&[event(3, "payment/1")], false).await;
    assert!(
        matches!(again, Err(OutboxError::Store(ref error)) if error.is_unique_violation()),
        "{again:?}"
    );
    assert!(
        process.shows("outbox_published_events_total{outcome=\"stored\"} 40"),
        "{}",
        process.shown()
    );
    process.drain().await;
}

async fn killed_between_commit_and_publish_nothing_is_lost(place: Place) {
    place.log.away.store(true, Ordering::SeqCst);
    let process = place.process(quick());
    place
        .append(&(0..10).map(|id| event(id, "payment/1")).collect::<Vec<_>>())
        .await;
    eventually("it tries to publish", async || {
        place.log.publishes.load(Ordering::SeqCst) > 1
    })
    .await;
    process.kill().await;
    assert_eq!(place.unmarked().await, ids(0..10));
    place.log.away.store(false, Ordering::SeqCst);
    let next = place.process(quick());
    place.relayed().await;
    assert_eq!(place.streamed("payment/1").await, ids(0..10));
    next.drain().await;
}

async fn killed_between_publish_and_mark_nothing_is_doubled_within_the_window(place: Place) {
    place.log.unheard.store(true, Ordering::SeqCst);
    let process = place.process(quick());
    place
        .append(&(0..10).map(|id| event(id, "payment/1")).collect::<Vec<_>>())
        .await;
    eventually("it is stored", async || {
        place.log.stored_unheard.load(Ordering::SeqCst) == 10
    })
    .await;
    process.kill().await;
    assert_eq!(
        place.unmarked().await,
        ids(0..10),
        "nobody heard that they are stored"
    );
    place.append(&[event(10, "payment/1")]).await;
    place.log.unheard.store(false, Ordering::SeqCst);
    let next = place.process(quick());
    place.relayed().await;
    assert_eq!(place.streamed("payment/1").await, ids(0..11));
    assert!(
        next.shows("outbox_published_events_total{outcome=\"duplicate\"} 10"),
        "{}",
        next.shown()
    );
    next.drain().await;
}

async fn a_leader_that_was_overtaken_marks_nothing(place: Place) {
    place.log.unheard.store(true, Ordering::SeqCst);
    let process = place.process(quick());
    place.append(&[event(0, "payment/1")]).await;
    eventually("it is stored", async || {
        place.log.stored_unheard.load(Ordering::SeqCst) == 1
    })
    .await;
    // Somebody for whom its time is long over takes the partition while it waits for the stream.
    let name = format!("outbox-{STREAM}-{}", Partition::of("payment/1"));
    let store: Arc<dyn LeadershipStore> = match &place.outbox {
        Outbox::Sqlite(sql) => Arc::new(SqliteLeaderships::new(sql.clone())),
        Outbox::Postgres(sql) => Arc::new(PostgresLeaderships::new(sql.clone())),
    };
    let later_ms = SystemClock.unix_ms() + 60_000;
    let overtaker = store
        .try_take(&name, "overtaker", later_ms, 60_000)
        .await
        .unwrap()
        .expect("its time is over");
    place.log.answer_all();
    let lost = format!("leader_terms_total{{duty=\"{name}\",end=\"lost\"}} 1");
    eventually("it knows that it lost", async || process.shows(&lost)).await;
    assert_eq!(place.unmarked().await, ["0"], "zero rows");
    store.release(&overtaker).await.unwrap();
    place.relayed().await;
    assert_eq!(place.streamed("payment/1").await, ["0"]);
    process.drain().await;
}

async fn two_processes_relay_each_event_once_in_the_order_of_commits(place: Place) {
    let (first, second) = (place.process(quick()), place.process(quick()));
    // Each transaction appends to two of four aggregates; those of one aggregate race.
    let writers = (0..8).map(|writer| {
        let place = place.clone();
        tokio::spawn(async move {
            for round in 0..10 {
                let aggregate = |offset| format!("payment/{}", (writer + round + offset) % 4);
                let id = |part| format!("{writer}-{round}-{part}");
                place
                    .append(&[event(id(0), &aggregate(0)), event(id(1), &aggregate(1))])
                    .await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    place.relayed().await;
    let mut streamed = Vec::new();
    for aggregate in (0..4).map(|number| format!("payment/{number}")) {
        let ids = place.streamed(&aggregate).await;
        streamed.extend(ids.into_iter().map(|id| format!("{aggregate} {id}")));
    }
    assert_eq!(streamed.len(), 160);
    assert_eq!(
        streamed,
        place.effects().await,
        "of each aggregate, the order of commits"
    );
    first.drain().await;
    second.drain().await;
}

async fn a_process_that_drains_hands_over_at_once(place: Place) {
    let slow = OutboxSettings {
        lease_ms: 60_000,
        ..quick()
    };
    let first = place.process(slow);
    place.append(&[event(0, "payment/1")]).await;
    place.relayed().await;
    let second = place.process(slow);
    first.drain().await;
    place.append(&[event(1, "payment/1")]).await;
    place.relayed().await;
    assert_eq!(place.streamed("payment/1").await, ["0", "1"]);
    second.drain().await;
}

async fn a_stream_that_is_away_is_waited_for_and_said(place: Place) {
    place.log.away.store(true, Ordering::SeqCst);
    let process = place.process(quick());
    for id in 0..30 {
        place.append(&[event(id, &format!("payment/{}", id % 3))]).await;
    }
    eventually("what waits is measured", async || {
        process.shows("outbox_pending 30")
    })
    .await;
    let shown = process.shown();
    let lag = shown
        .lines()
        .find_map(|line| line.strip_prefix("outbox_lag_seconds "))
        .unwrap();
    assert!(
        lag.parse::<f64>().unwrap() > 1.0,
        "the events happened long ago: {lag}"
    );
    assert!(
        process.shows("outbox_published_events_total{outcome=\"sql_unreachable\"}"),
        "{shown}"
    );
    place.log.away.store(false, Ordering::SeqCst);
    place.relayed().await;
    for aggregate in 0..3_u32 {
        let expected: Vec<String> = (0..30_u32)
            .filter(|id| id % 3 == aggregate)
            .map(|id| id.to_string())
            .collect();
        assert_eq!(place.streamed(&format!("payment/{aggregate}")).await, expected);
    }
    eventually("nothing waits", async || process.shows("outbox_pending 0")).await;
    process.drain().await;
}

async fn an_event_that_the_stream_refuses_holds_back_its_aggregate_and_no_other(place: Place) {
    // Two aggregates of one partition.
    let other = (2..10_000)
        .map(|n| format!("payment/{n}"))
        .find(|key| Partition::of(key) == Partition::of("payment/1"))
        .unwrap();
    *place.log.refused.lock().unwrap() = Some("1".to_owned());
    let events = [
        event(0, "payment/1"),
        event(1, "payment/1"),
        event(2, &other),
        event(3, "payment/1"),
        event(4, &other),
    ];
    place.append(&events).await;
    let process = place.process(quick());
    eventually("the others are marked", async || {
        place.unmarked().await == ["1", "3"]
    })
    .await;
    assert_eq!(
        (place.streamed("payment/1").await, place.streamed(&other).await),
        (ids(0..1), vec!["2".into(), "4".into()])
    );
    place.append(&[event(5, &other)]).await;
    eventually("the partition goes on", async || {
        place.streamed(&other).await.len() == 3
    })
    .await;
    let blocked = format!("outbox_blocked{{part=\"{}\"}} 1", Partition::of("payment/1"));
    eventually("it is said", async || process.shows(&blocked)).await;
    assert!(
        process.shows("outbox_refusals_total{kind=\"test.happened\"}"),
        "{}",
        process.shown()
    );
    *place.log.refused.lock().unwrap() = None;
    place.relayed().await;
    assert_eq!(place.streamed("payment/1").await, ["0", "1", "3"]);
    process.drain().await;
}

/// Counts an event once, whatever comes how often.
struct Idempotent {
    seen: std::sync::Mutex<HashSet<String>>,
    deliveries: AtomicU64,
}

#[async_trait]
impl Handler for Idempotent {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.deliveries.fetch_add(1, Ordering::SeqCst);
        self.seen.lock().unwrap().insert(delivery.event.id.clone());
        Ok(())
    }
}

async fn what_is_published_again_past_the_window_has_one_effect(place: Place) {
    place.log.unheard.store(true, Ordering::SeqCst);
    let process = place.process(quick());
    place
        .append(&(0..5).map(|id| event(id, "payment/1")).collect::<Vec<_>>())
        .await;
    eventually("it is stored", async || {
        place.log.stored_unheard.load(Ordering::SeqCst) == 5
    })
    .await;
    process.kill().await;
    place.log.unheard.store(false, Ordering::SeqCst);
    // The next relay leads when the lease is over, which is longer than the stream remembers ids.
    let next = place.process(quick());
    place.relayed().await;
    assert_eq!(
        place.streamed("payment/1").await.len(),
        10,
        "the stream has forgotten the ids"
    );
    let handler = Arc::new(Idempotent {
        seen: std::sync::Mutex::default(),
        deliveries: AtomicU64::new(0),
    });
    let log = Arc::clone(&place.log) as Arc<dyn StreamLog>;
    let consumer = Consumer::new(log, Group::new(STREAM, "effects"), ConsumerSettings::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let handling = tokio::spawn(
        consumer.run(Arc::clone(&handler) as Arc<dyn Handler>, async move {
            let _ = stopped.await;
        }),
    );
    eventually("all is delivered", async || {
        handler.deliveries.load(Ordering::SeqCst) == 10
    })
    .await;
    stop.send(()).unwrap();
    handling.await.unwrap();
    assert_eq!(handler.seen.lock().unwrap().len(), 5);
    next.drain().await;
}

async fn rows_are_deleted_past_their_retention_and_only_then(place: Place) {
    let keeps = place.process(OutboxSettings {
        sweep_ms: 0,
        ..quick()
    });
    place.append(&[event(0, "payment/1")]).await;
    place.relayed().await;
    place.append(&[event(1, "payment/1")]).await;
    place.relayed().await;
    assert_eq!(place.rows().await, ["0", "1"], "they are kept for a retention");
    keeps.drain().await;
    place.log.away.store(true, Ordering::SeqCst);
    let sweeps = place.process(OutboxSettings {
        sweep_ms: 0,
        retention_ms: 0,
        ..quick()
    });
    place.append(&[event(2, "payment/1")]).await;
    eventually("what is durable goes", async || place.rows().await == ["2"]).await;
    place.log.away.store(false, Ordering::SeqCst);
    eventually("the last goes when it is durable", async || {
        place.rows().await.is_empty()
    })
    .await;
    assert_eq!(place.streamed("payment/1").await, ["0", "1", "2"]);
    sweeps.drain().await;
}

async fn the_bell_wakes_the_relay(place: Place) {
    let process = place.process(OutboxSettings {
        poll_ms: 600_000,
        ..quick()
    });
    let leads = format!(
        "leader_ticks_total{{duty=\"outbox-{STREAM}-{}\",outcome=\"ok\"}} 1",
        Partition::of("payment/1")
    );
    eventually("it has looked", async || process.shows(&leads)).await;
    place.append(&[event(0, "payment/1")]).await;
    process.bell.ring("payment/1");
    place.relayed().await;
    process.drain().await;
}

macro_rules! settings {
    () => {
        streams::StreamSettings::default()
    };
    ($settings:expr) => {
        $settings
    };
}

macro_rules! suite {
    ($pair:ident: $($case:ident $(with $settings:expr)?),* $(,)?) => {
        mod $pair {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let settings = settings!($($settings)?);
                let Some(place) = crate::engines::Place::$pair(stringify!($case), settings).await else { return };
                super::$case(place.clone()).await;
                place.drop_all().await;
            }
        )*}
    };
    ($($pair:ident),*) => {$(suite!($pair:
        what_is_committed_is_published_in_order_and_what_is_rolled_back_never,
        killed_between_commit_and_publish_nothing_is_lost,
        killed_between_publish_and_mark_nothing_is_doubled_within_the_window,
        a_leader_that_was_overtaken_marks_nothing,
        two_processes_relay_each_event_once_in_the_order_of_commits,
        a_process_that_drains_hands_over_at_once,
        a_stream_that_is_away_is_waited_for_and_said,
        an_event_that_the_stream_refuses_holds_back_its_aggregate_and_no_other,
        what_is_published_again_past_the_window_has_one_effect with super::forgetful(),
        rows_are_deleted_past_their_retention_and_only_then,
        the_bell_wakes_the_relay,
    );)*};
}

/// Remembers ids for less long than a dead leader's lease lasts.
fn forgetful() -> StreamSettings {
    StreamSettings {
        dedupe_window_ms: 100,
        ..StreamSettings::default()
    }
}

suite!(embedded, real);
