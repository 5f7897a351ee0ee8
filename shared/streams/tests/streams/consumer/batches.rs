//! Handlers of batches: what comes together, how far it is acked, and who is to blame when a batch fails.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use streams::{
    BatchHandler, Claim, Consumer, ConsumerSettings, Delivery, Handled, HandlerError, StreamLog,
    StreamSettings,
};
use tokio::sync::oneshot;

use super::{Running, all_acked, eventually, impatient};
use crate::SqliteEngine;
use crate::contract::{Engine, STREAM, event, group};

type Rule = dyn Fn(&[Delivery], usize) -> Handled + Send + Sync;

/// Writes down what came together, and answers by rule, which is told how many batches came before.
struct Recorder {
    batches: Mutex<Vec<Vec<(String, u32)>>>,
    rule: Box<Rule>,
}

impl Recorder {
    fn new(rule: impl Fn(&[Delivery], usize) -> Handled + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            batches: Mutex::default(),
            rule: Box::new(rule),
        })
    }

    fn batches(&self) -> Vec<Vec<(String, u32)>> {
        self.batches.lock().unwrap().clone()
    }

    fn sizes(&self) -> Vec<usize> {
        self.batches().iter().map(Vec::len).collect()
    }

    /// Which delivery each handing over of each event was.
    fn deliveries(&self) -> HashMap<String, Vec<u32>> {
        let mut deliveries: HashMap<String, Vec<u32>> = HashMap::new();
        for (id, number) in self.batches().into_iter().flatten() {
            deliveries.entry(id).or_default().push(number);
        }
        deliveries
    }
}

#[async_trait]
impl BatchHandler for Recorder {
    async fn handle(&self, claim: &Claim, batch: &[Delivery]) -> Handled {
        assert!(
            batch
                .iter()
                .all(|delivery| delivery.event.partition() == claim.partition)
        );
        let seen = batch
            .iter()
            .map(|delivery| (delivery.event.id.clone(), delivery.deliveries));
        let before = {
            let mut batches = self.batches.lock().unwrap();
            batches.push(seen.collect());
            batches.len() - 1
        };
        (self.rule)(batch, before)
    }
}

fn start(
    log: &Arc<dyn StreamLog>,
    settings: ConsumerSettings,
    cycle: Duration,
    handler: &Arc<Recorder>,
) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let consumer = Consumer::new(Arc::clone(log), group(), settings);
    let handler: Arc<Recorder> = Arc::clone(handler);
    let task = tokio::spawn(consumer.run_batches(handler, cycle, async {
        let _ = stopped.await;
    }));
    Running {
        stop: Some(stop),
        task,
    }
}

fn of_eight() -> ConsumerSettings {
    ConsumerSettings {
        batch_max: 8,
        ..impatient()
    }
}

/// Numbers 1 to `last`, of one key.
async fn published(log: &Arc<dyn StreamLog>, last: u32) -> Vec<String> {
    let ids: Vec<String> = (1..=last).map(|id| id.to_string()).collect();
    let events: Vec<_> = ids.iter().map(|id| event(id, "a")).collect();
    log.publish(STREAM, &events).await.unwrap();
    ids
}

async fn letters(log: &Arc<dyn StreamLog>) -> Vec<String> {
    let page = log.dead_letters(STREAM, 0, 100).await.unwrap();
    page.items.into_iter().map(|letter| letter.event.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_wait_come_together_each_once_and_in_order() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let ids = published(&log, 20).await;
    let handler = Recorder::new(|batch, _| Handled::all(batch));
    let running = start(&log, of_eight(), Duration::ZERO, &handler);
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    let seen: Vec<_> = handler.batches().concat();
    assert_eq!(seen, ids.into_iter().map(|id| (id, 1)).collect::<Vec<_>>());
    assert_eq!(handler.sizes(), [8, 8, 4]);
}

/// The cycle is longer than the test: were it not kept, the later events would be handled by the first consumer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_within_a_cycle_waits_for_its_end_or_for_the_next_consumer() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let handler = Recorder::new(|batch, _| Handled::all(batch));
    let running = start(&log, of_eight(), Duration::from_hours(1), &handler);
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    eventually("the first is handled", async || handler.batches().len() == 1).await;
    for id in 2..=5 {
        log.publish(STREAM, &[event(id, "a")]).await.unwrap();
    }
    running.stop().await;
    assert_eq!(
        handler.sizes(),
        [1],
        "and the end of the consumer is no reason to hurry"
    );
    let running = start(&log, of_eight(), Duration::ZERO, &handler);
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    assert_eq!(
        handler.sizes(),
        [1, 4],
        "what was handled before the end was acked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_acked_as_far_as_it_was_handled() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let ids = published(&log, 8).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::clone(&seen);
    let handler = Recorder::new(move |batch, before| {
        // The first takes three of them, and the next says that it must wait after two more.
        let (events, failure) = match before {
            0 => (3, None),
            2 => (2, Some(HandlerError::Unavailable("away".to_owned()))),
            _ => (batch.len(), None),
        };
        let ids = batch[..events].iter().map(|delivery| delivery.event.id.clone());
        done.lock().unwrap().extend(ids);
        Handled { events, failure }
    });
    let running = start(&log, of_eight(), Duration::ZERO, &handler);
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    assert_eq!(*seen.lock().unwrap(), ids);
    assert!(letters(&log).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_in_a_batch_is_set_aside_and_what_is_around_it_is_handled_once() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let ids = published(&log, 8).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::clone(&seen);
    let handler = Recorder::new(move |batch, _| {
        let good = batch
            .iter()
            .take_while(|delivery| delivery.event.id != "4")
            .map(|delivery| delivery.event.id.clone());
        let good: Vec<String> = good.collect();
        let events = good.len();
        done.lock().unwrap().extend(good);
        if events == batch.len() {
            return Handled::all(batch);
        }
        Handled::until(events, HandlerError::Poison("it is".to_owned()))
    });
    let running = start(&log, of_eight(), Duration::ZERO, &handler);
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    let others: Vec<_> = ids.into_iter().filter(|id| id != "4").collect();
    assert_eq!(*seen.lock().unwrap(), others);
    assert_eq!(letters(&log).await, ["4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_panic_each_event_comes_alone_and_only_the_guilty_one_is_set_aside() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let ids = published(&log, 12).await;
    let handler = Recorder::new(|batch, _| {
        assert!(
            batch.iter().all(|delivery| delivery.event.id != "5"),
            "five it is"
        );
        Handled::all(batch)
    });
    let settings = ConsumerSettings {
        deliveries_max: 2,
        ..of_eight()
    };
    let running = start(&log, settings, Duration::ZERO, &handler);
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    assert_eq!(letters(&log).await, ["5"]);
    // The batch that panicked, then its events alone, the guilty one twice, and the rest together again.
    assert_eq!(handler.sizes(), [8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]);
    let deliveries = handler.deliveries();
    for id in ids {
        let expected: &[u32] = match id.as_str() {
            "5" => &[1, 1, 2],
            "1" | "2" | "3" | "4" | "6" | "7" | "8" => &[1, 1],
            _ => &[1],
        };
        assert_eq!(deliveries[&id], expected, "{id}: no other is counted as failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_hangs_comes_event_by_event_too() {
    struct Hangs(Arc<Recorder>);

    #[async_trait]
    impl BatchHandler for Hangs {
        async fn handle(&self, claim: &Claim, batch: &[Delivery]) -> Handled {
            if batch.len() > 1 {
                std::future::pending::<()>().await;
            }
            self.0.handle(claim, batch).await
        }
    }

    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let ids = published(&log, 8).await;
    let handler = Recorder::new(|batch, _| Handled::all(batch));
    let settings = ConsumerSettings {
        handle_timeout_ms: 50,
        deliveries_max: 1,
        ..of_eight()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let consumer = Consumer::new(Arc::clone(&log), group(), settings);
    let hangs = Arc::new(Hangs(Arc::clone(&handler)));
    let task = tokio::spawn(consumer.run_batches(hangs, Duration::ZERO, async {
        let _ = stopped.await;
    }));
    eventually("all is acked", async || all_acked(&log).await).await;
    let running = Running {
        stop: Some(stop),
        task,
    };
    running.stop().await;
    let seen: Vec<_> = handler.batches().concat().into_iter().map(|(id, _)| id).collect();
    assert_eq!(seen, ids);
    assert!(letters(&log).await.is_empty(), "with one delivery each");
}
