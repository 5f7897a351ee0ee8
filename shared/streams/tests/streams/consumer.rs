//! The loop: order, retries, dead letters, draining. It knows no engine either, but one is enough to try it on.

mod batches;
mod together;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use streams::{Consumer, ConsumerSettings, Delivery, Handler, HandlerError, StreamLog, StreamSettings};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::SqliteEngine;
use crate::contract::{Engine, STREAM, claim_of, event, group, two_keys};

type Rule = dyn Fn(&Delivery) -> Result<(), HandlerError> + Send + Sync;

/// Writes down what it is handed, and answers by rule.
struct Recorder {
    seen: Mutex<Vec<(String, u32)>>,
    rule: Box<Rule>,
}

impl Recorder {
    fn new(rule: impl Fn(&Delivery) -> Result<(), HandlerError> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            rule: Box::new(rule),
        })
    }

    fn seen(&self) -> Vec<(String, u32)> {
        self.seen.lock().unwrap().clone()
    }

    fn saw(&self, id: &str) -> bool {
        self.seen().iter().any(|(seen, _)| seen == id)
    }

    fn deliveries_of(&self, id: &str) -> Vec<u32> {
        self.seen()
            .into_iter()
            .filter(|(seen, _)| seen == id)
            .map(|(_, deliveries)| deliveries)
            .collect()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.seen
            .lock()
            .unwrap()
            .push((delivery.event.id.clone(), delivery.deliveries));
        (self.rule)(delivery)
    }
}

fn impatient() -> ConsumerSettings {
    ConsumerSettings {
        deliveries_max: 3,
        backoff_ms: 2,
        backoff_ms_max: 10,
        ..ConsumerSettings::default()
    }
}

/// A consumer at work, with the switch that stops it.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(log: &Arc<dyn StreamLog>, settings: ConsumerSettings, handler: Arc<dyn Handler>) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let consumer = Consumer::new(Arc::clone(log), group(), settings);
        let task = tokio::spawn(consumer.run(handler, async {
            let _ = stopped.await;
        }));
        Self {
            stop: Some(stop),
            task,
        }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .expect("it drains")
            .unwrap();
    }
}

async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(patience.await.is_ok(), "never came true: {what}");
}

async fn all_acked(log: &Arc<dyn StreamLog>) -> bool {
    let lag = log.lag(STREAM).await.unwrap();
    lag.groups
        .iter()
        .any(|of| of.name == group().name && of.events == 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_handled_once_in_the_order_of_its_key_and_acked() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let keys = ["a", "b", "c", "d", "e"];
    for id in 0..40 {
        let batch: Vec<_> = keys.iter().map(|key| event(format!("{key}-{id}"), key)).collect();
        log.publish(STREAM, &batch).await.unwrap();
    }
    let handler = Recorder::new(|_| Ok(()));
    let running = Running::start(&log, impatient(), handler.clone());
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    for key in keys {
        let prefix = format!("{key}-");
        let seen = handler
            .seen()
            .into_iter()
            .filter(|(id, _)| id.starts_with(&prefix))
            .collect::<Vec<_>>();
        let expected: Vec<_> = (0..40).map(|id| (format!("{key}-{id}"), 1)).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_event_blocks_its_partition_until_it_is_dead_lettered_and_no_other() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let (here, there) = two_keys();
    let (open, gate) = watch::channel(false);
    let handler = Recorder::new(move |delivery| match delivery.event.id.as_str() {
        "poison" if *gate.borrow() => Err(HandlerError::Poison("no such link".to_owned())),
        "poison" => Err(HandlerError::Retry("not yet".to_owned())),
        _ => Ok(()),
    });
    log.publish(
        STREAM,
        &[
            event("before", here),
            event("poison", here),
            event("behind", here),
        ],
    )
    .await
    .unwrap();
    let running = Running::start(
        &log,
        ConsumerSettings {
            deliveries_max: 1_000_000,
            ..impatient()
        },
        handler.clone(),
    );
    eventually("it is tried several times", async || {
        handler.deliveries_of("poison").len() > 3
    })
    .await;
    log.publish(STREAM, &[event("elsewhere", there)]).await.unwrap();
    eventually("the other partition goes on", async || handler.saw("elsewhere")).await;
    assert!(!handler.saw("behind"));
    assert!(log.dead_letters(STREAM, 0, 10).await.unwrap().items.is_empty());

    open.send(true).unwrap();
    eventually("what was behind it is handled", async || handler.saw("behind")).await;
    let letters = log.dead_letters(STREAM, 0, 10).await.unwrap().items;
    assert_eq!((letters.len(), letters[0].event.id.as_str()), (1, "poison"));
    assert_eq!(handler.deliveries_of("before"), [1]);
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_keeps_failing_is_dead_lettered_after_the_last_delivery_and_handled_when_replayed() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let (open, gate) = watch::channel(false);
    let handler = Recorder::new(move |delivery| {
        let fails = delivery.event.id == "poison" && !*gate.borrow();
        if fails {
            Err(HandlerError::Retry("broken".to_owned()))
        } else {
            Ok(())
        }
    });
    log.publish(STREAM, &[event("poison", "a"), event("behind", "a")])
        .await
        .unwrap();
    let running = Running::start(&log, impatient(), handler.clone());
    eventually("what was behind it is handled", async || handler.saw("behind")).await;
    assert_eq!(handler.deliveries_of("poison"), [1, 2, 3]);
    let letter = log.dead_letters(STREAM, 0, 10).await.unwrap().items.remove(0);
    assert_eq!((letter.deliveries, letter.reason.as_str()), (3, "broken"));

    open.send(true).unwrap();
    log.replay(letter.id).await.unwrap();
    eventually("the replay is handled", async || {
        handler.deliveries_of("poison") == [1, 2, 3, 1]
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_handler_waits_for_something_is_never_given_up() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let (back, away) = watch::channel(true);
    let handler = Recorder::new(move |_| {
        if *away.borrow() {
            Err(HandlerError::Unavailable("the database is away".to_owned()))
        } else {
            Ok(())
        }
    });
    log.publish(STREAM, &[event("patient", "a"), event("behind", "a")])
        .await
        .unwrap();
    let running = Running::start(&log, impatient(), handler.clone());
    let tries = || handler.deliveries_of("patient").len();
    eventually("it is tried more often than it may be delivered", async || {
        tries() > 10
    })
    .await;
    // A drain does not wait for the database, and does not count against the event either.
    running.stop().await;
    let before = tries();
    let running = Running::start(&log, impatient(), handler.clone());
    eventually("the next consumer tries too", async || tries() > before + 10).await;
    assert!(!handler.saw("behind"));

    back.send(false).unwrap();
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    assert!(handler.saw("behind"));
    assert!(
        handler
            .deliveries_of("patient")
            .iter()
            .all(|deliveries| *deliveries <= 2)
    );
    assert!(log.dead_letters(STREAM, 0, 10).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_waits_outlives_any_number_of_consumers() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let handler = Recorder::new(|delivery| match delivery.event.id.as_str() {
        "patient" => Err(HandlerError::Unavailable("the database is away".to_owned())),
        _ => Ok(()),
    });
    log.publish(STREAM, &[event("before", "a"), event("patient", "a")])
        .await
        .unwrap();
    for _ in 0..2 * impatient().deliveries_max {
        let tries = handler.deliveries_of("patient").len();
        let running = Running::start(&log, impatient(), handler.clone());
        eventually("it is tried again", async || {
            handler.deliveries_of("patient").len() > tries
        })
        .await;
        running.stop().await;
    }
    assert!(handler.deliveries_of("patient").iter().all(|count| *count == 1));
    assert_eq!(handler.deliveries_of("before"), [1]);
    assert!(log.dead_letters(STREAM, 0, 10).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_or_a_hang_of_the_handler_counts_as_a_failure() {
    struct Unruly(AtomicUsize);

    #[async_trait]
    impl Handler for Unruly {
        async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match delivery.event.id.as_str() {
                "panics" => panic!("planted"),
                "hangs" => pending().await,
                _ => Ok(()),
            }
        }
    }

    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    log.publish(
        STREAM,
        &[event("panics", "a"), event("hangs", "a"), event("good", "a")],
    )
    .await
    .unwrap();
    let handler = Arc::new(Unruly(AtomicUsize::new(0)));
    let settings = ConsumerSettings {
        deliveries_max: 2,
        handle_timeout_ms: 500,
        ..impatient()
    };
    let running = Running::start(&log, settings, handler.clone());
    eventually("all is acked", async || all_acked(&log).await).await;
    running.stop().await;
    assert_eq!(handler.0.load(Ordering::SeqCst), 5);
    let reasons: Vec<_> = log
        .dead_letters(STREAM, 0, 10)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|letter| letter.reason)
        .collect();
    assert_eq!(reasons, ["the handler panicked", "the handler took too long"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_took_the_process_down_each_time_is_set_aside_unhandled() {
    let engine = SqliteEngine::new();
    for crash in 1..=3 {
        let log = engine.open(StreamSettings::default()).await;
        log.publish(STREAM, &[event("killer", "a"), event("behind", "a")])
            .await
            .unwrap();
        let claim = claim_of(&log, &format!("process-{crash}"), "a").await;
        assert_eq!(log.next(&claim, None, 10).await.unwrap()[0].deliveries, crash);
    }
    let log = engine.open(StreamSettings::default()).await;
    let handler = Recorder::new(|_| Ok(()));
    let running = Running::start(&log, impatient(), handler.clone());
    eventually("what was behind it is handled", async || handler.saw("behind")).await;
    running.stop().await;
    assert!(!handler.saw("killer"));
    assert_eq!(
        log.dead_letters(STREAM, 0, 10).await.unwrap().items[0].event.id,
        "killer"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_later_is_handled_without_waiting_for_the_poll() {
    let engine = SqliteEngine::new();
    let log = engine.open(StreamSettings::default()).await;
    let handler = Recorder::new(|_| Ok(()));
    let settings = ConsumerSettings {
        poll_ms: 3_600_000,
        ..impatient()
    };
    let running = Running::start(&log, settings, handler.clone());
    for id in 0..20 {
        let id = id.to_string();
        log.publish(STREAM, &[event(&id, "a")]).await.unwrap();
        eventually("it is handled", async || handler.saw(&id)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_poll_finds_what_was_not_announced() {
    let engine = SqliteEngine::new();
    let settings = StreamSettings {
        claim_ms: 300,
        ..StreamSettings::default()
    };
    let log = engine.open(settings.clone()).await;
    let handler = Recorder::new(|_| Ok(()));
    let running = Running::start(
        &log,
        ConsumerSettings {
            poll_ms: 10,
            ..impatient()
        },
        handler.clone(),
    );
    // A log of its own on the same file wakes nobody here, and ends this one's claims, which it then takes anew.
    let other = engine.open(settings).await;
    other.publish(STREAM, &[event("quiet", "a")]).await.unwrap();
    eventually("it is handled", async || handler.saw("quiet")).await;
    running.stop().await;
}
