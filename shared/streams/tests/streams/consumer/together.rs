//! Several consumers, their ends, and the loss of their engine.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use streams::{ConsumerSettings, Delivery, Handler, HandlerError, Partition, StreamSettings};
use tokio::sync::watch;

use super::{Recorder, Running, all_acked, eventually, impatient};
use crate::SqliteEngine;
use crate::contract::{Engine, STREAM, claim_of, event, group};

/// Handles slowly, and knows how many are being handled at once and where.
struct Careful {
    together: AtomicUsize,
    together_max: AtomicUsize,
    in_partition: Mutex<HashSet<Partition>>,
    handled: Mutex<HashMap<String, u32>>,
}

impl Careful {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            together: AtomicUsize::new(0),
            together_max: AtomicUsize::new(0),
            in_partition: Mutex::default(),
            handled: Mutex::default(),
        })
    }
}

#[async_trait]
impl Handler for Careful {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let together = self.together.fetch_add(1, Ordering::SeqCst) + 1;
        self.together_max.fetch_max(together, Ordering::SeqCst);
        let partition = delivery.event.partition();
        assert!(
            self.in_partition.lock().unwrap().insert(partition),
            "two at once in {partition}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.in_partition.lock().unwrap().remove(&partition);
        *self
            .handled
            .lock()
            .unwrap()
            .entry(delivery.event.id.clone())
            .or_default() += 1;
        self.together.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_consumers_share_a_group_with_one_per_partition_and_a_bound_on_both() {
    let engine = SqliteEngine::new();
    let log = engine
        .open(StreamSettings {
            claim_ms: 100,
            ..StreamSettings::default()
        })
        .await;
    let handler = Careful::new();
    let settings = ConsumerSettings {
        concurrency_max: 2,
        ..impatient()
    };
    let first = Running::start(&log, settings.clone(), handler.clone());
    let second = Running::start(&log, settings, handler.clone());
    let publish = async |from: u32| {
        let batch: Vec<_> = (from..from + 200)
            .map(|id| event(id, &format!("key-{id}")))
            .collect();
        log.publish(STREAM, &batch).await.unwrap();
    };
    publish(0).await;
    eventually("all is acked", async || all_acked(&log).await).await;
    // One leaves: the other takes over what it held.
    first.stop().await;
    publish(200).await;
    eventually("all is acked", async || all_acked(&log).await).await;
    second.stop().await;
    assert!(handler.together_max.load(Ordering::SeqCst) <= 4);
    let times = handler.handled.lock().unwrap();
    assert_eq!(times.len(), 400);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_ends_what_is_being_handled_acks_it_and_frees_the_claims() {
    struct Gated(Mutex<Vec<String>>, watch::Receiver<bool>);

    #[async_trait]
    impl Handler for Gated {
        async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
            self.0.lock().unwrap().push(delivery.event.id.clone());
            self.1.clone().wait_for(|open| *open).await.unwrap();
            Ok(())
        }
    }

    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event("first", "a"), event("second", "a")])
        .await
        .unwrap();
    let (open, gate) = watch::channel(false);
    let handler = Arc::new(Gated(Mutex::default(), gate));
    let running = Running::start(&log, impatient(), handler.clone());
    eventually("it is being handled", async || {
        !handler.0.lock().unwrap().is_empty()
    })
    .await;
    let stopping = tokio::spawn(running.stop());
    // Every partition but the busy one is given up.
    eventually("idle partitions are free", async || {
        log.claim(&group(), "next").await.unwrap().len() == 15
    })
    .await;
    open.send(true).unwrap();
    stopping.await.unwrap();
    assert_eq!(
        *handler.0.lock().unwrap(),
        ["first"],
        "nothing is begun once draining has"
    );
    let claim = claim_of(&log, "next", "a").await;
    let delivered = log.next(&claim, None, 10).await.unwrap();
    assert_eq!(delivered[0].event.id, "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_outlives_the_loss_of_its_engine() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let handler = Recorder::new(|_| Ok(()));
    let running = Running::start(&log, impatient(), handler.clone());
    log.publish(STREAM, &[event("before", "a")]).await.unwrap();
    eventually("it is handled", async || handler.saw("before")).await;

    let cut = engine.cut().await;
    log.publish(STREAM, &[event("lost", "a")]).await.unwrap_err();
    cut.heal().await;

    log.publish(STREAM, &[event("after", "a")]).await.unwrap();
    eventually("it is handled", async || handler.saw("after")).await;
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
}

/// One key of each of so many partitions.
fn keys_of_different_partitions(count: usize) -> Vec<String> {
    let mut seen = HashSet::new();
    (0..)
        .map(|n| format!("key-{n}"))
        .filter(|key| seen.insert(event("any", key).partition()))
        .take(count)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_whose_handler_waits_do_not_stop_the_others_however_many_they_are() {
    const WAITING: usize = 6;
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let handler = Recorder::new(|delivery| {
        if delivery.event.id.starts_with("waits-") {
            Err(HandlerError::Unavailable("what it needs is away".to_owned()))
        } else {
            Ok(())
        }
    });
    let settings = ConsumerSettings {
        concurrency_max: 2,
        ..impatient()
    };
    let running = Running::start(&log, settings, handler.clone());
    let keys = keys_of_different_partitions(WAITING + 1);
    let (free, waiting) = keys.split_last().unwrap();
    let waits: Vec<_> = (0..).map(|n| format!("waits-{n}")).take(WAITING).collect();
    let batch: Vec<_> = waits
        .iter()
        .zip(waiting)
        .map(|(id, key)| event(id, key))
        .collect();
    log.publish(STREAM, &batch).await.unwrap();
    eventually("all of them wait", async || {
        waits.iter().all(|id| handler.saw(id))
    })
    .await;
    log.publish(STREAM, &[event("goes on", free)]).await.unwrap();
    eventually("the free partition goes on", async || handler.saw("goes on")).await;
    running.stop().await;
}
