//! The network, or the server, goes away at the worst moment.

use std::sync::Arc;
use std::time::Duration;

use clock::SystemClock;
use nats::{Nats, NatsSettings};
use streams::{
    Consumer, ConsumerSettings, Delivery, Event, Handler, HandlerError, NatsStreamLog, Partition, StreamLog,
    StreamSettings,
};
use testkit::engines::{Kind, OwnEngine};
use tokio::sync::mpsc;

use super::{NatsEngine, engine};
use crate::contract::{STREAM, claim_of, event, everything, group, ids};
use crate::telemetry;

fn impatient() -> NatsSettings {
    NatsSettings {
        request_timeout_ms: 1_500,
        ..NatsSettings::default()
    }
}

async fn open(engine: &NatsEngine) -> Arc<dyn StreamLog> {
    engine.open_with(impatient(), StreamSettings::default()).await
}

async fn healthy(log: &Arc<dyn StreamLog>) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while log.probe().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    patience.await.expect("the server is healthy");
}

async fn held(log: &Arc<dyn StreamLog>, key: &str) -> Vec<String> {
    let all = everything(log, key, 500).await;
    all.into_iter().map(|(_, id)| id).collect()
}

/// So much at once may take more than one deadline on a busy machine; each repetition gets further.
async fn publish_in_the_end(log: &Arc<dyn StreamLog>, batch: &[Event]) {
    let patience = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match log.publish(STREAM, batch).await {
                Ok(settled) => return settled.stored + settled.duplicates,
                Err(error) => assert!(error.retryable(), "{error:?}"),
            }
        }
    });
    let settled = patience.await.expect("it is stored in the end");
    assert_eq!(settled as usize, batch.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_cut_short_is_unknown_and_its_repetition_stores_the_rest_in_order() {
    let Some(engine) = engine("a_batch_cut_short").await else {
        return;
    };
    let log = open(&engine).await;
    log.publish(STREAM, &[event("first", "a")]).await.unwrap();
    let batch: Vec<_> = (0..200)
        .map(|id| Event {
            data: format!("\"{}\"", "x".repeat(2_000)),
            ..event(format!("event-{id}"), "a")
        })
        .collect();
    let expected: Vec<_> = std::iter::once("first".to_owned())
        .chain(batch.iter().map(|event| event.id.clone()))
        .collect();
    // Somewhere in the middle the line is cut.
    engine.proxy.cut_before(b"event-120");
    let unknown = log.publish(STREAM, &batch).await.unwrap_err();
    assert!(unknown.is_unknown() && unknown.retryable(), "{unknown:?}");
    assert!(engine.proxy.is_cut());
    engine.proxy.heal();
    healthy(&log).await;
    let before = held(&log, "a").await;
    assert!(before.len() < expected.len(), "nothing was cut off");
    assert_eq!(before, expected[..before.len()], "what was stored is a beginning");

    publish_in_the_end(&log, &batch).await;
    assert_eq!(held(&log, "a").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_cut_for_a_moment_leaves_no_hole_in_the_order() {
    let Some(engine) = engine("cut_for_a_moment").await else {
        return;
    };
    let log = open(&engine).await;
    log.publish(STREAM, &[event("first", "a")]).await.unwrap();
    // More than the line's buffers hold: when it is back, what waited for it goes on from the middle.
    let batch: Vec<_> = (0..100)
        .map(|id| Event {
            data: format!("\"{}\"", "x".repeat(100_000)),
            ..event(format!("event-{id:03}"), "a")
        })
        .collect();
    engine.proxy.cut_before(b"event-030");
    let healed = {
        let proxy = Arc::clone(&engine.proxy);
        tokio::spawn(async move {
            while !proxy.is_cut() {
                tokio::task::yield_now().await;
            }
            proxy.heal();
        })
    };
    let unknown = log.publish(STREAM, &batch).await.unwrap_err();
    assert!(unknown.is_unknown(), "{unknown:?}");
    healed.await.unwrap();
    healthy(&log).await;
    let expected: Vec<_> = std::iter::once("first".to_owned())
        .chain(batch.iter().map(|event| event.id.clone()))
        .collect();
    let before = held(&log, "a").await;
    assert_eq!(before, expected[..before.len()], "what was stored is a beginning");
    publish_in_the_end(&log, &batch).await;
    assert_eq!(held(&log, "a").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_whose_answer_is_lost_is_unknown_and_stored_once() {
    let Some(engine) = engine("answer_lost").await else {
        return;
    };
    let log = open(&engine).await;
    log.publish(STREAM, &[event(0, "a")]).await.unwrap();
    engine.proxy.half_open();
    let unknown = log.publish(STREAM, &[event(1, "a")]).await.unwrap_err();
    assert!(unknown.is_unknown(), "{unknown:?}");
    engine.proxy.heal();
    healthy(&log).await;
    assert_eq!(log.publish(STREAM, &[event(1, "a")]).await.unwrap().duplicates, 1);
    assert_eq!(held(&log, "a").await, ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_never_arrived_is_not_counted() {
    let Some(engine) = engine("never_arrived").await else {
        return;
    };
    let log = open(&engine).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let first = log.next(&claim, None, 1).await.unwrap();
    let acked = Some(first[0].position);
    // The server writes the ack and the next delivery; its answer is cut off.
    engine.proxy.cut_after(b"\"attempted\":2");
    let unknown = log.next(&claim, acked, 1).await.unwrap_err();
    assert!(unknown.is_unknown(), "{unknown:?}");
    engine.proxy.heal();
    healthy(&log).await;
    let second = log.next(&claim, acked, 1).await.unwrap();
    assert_eq!((ids(&second), second[0].deliveries), (vec!["2"], 1));
    assert_eq!(log.next(&claim, acked, 1).await.unwrap()[0].deliveries, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_durable_before_its_event_is_acked_and_written_once() {
    let Some(engine) = engine("a_letter_is_durable").await else {
        return;
    };
    let log = open(&engine).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let poison = log.next(&claim, None, 1).await.unwrap();
    // The letter is written; the ack never gets to the server.
    engine.proxy.cut_before(b"\"acked\":1");
    let refused = log.dead_letter(&claim, &poison[0], "why").await.unwrap_err();
    assert!(refused.retryable(), "{refused:?}");
    engine.proxy.heal();
    healthy(&log).await;
    let letters = log.dead_letters(STREAM, 0, 10).await.unwrap().items;
    assert_eq!((letters.len(), letters[0].event.id.as_str()), (1, "1"));
    // Another process takes over, gets the event again and gives it up too.
    let log = {
        use crate::contract::Engine;
        engine.restart(log, StreamSettings::default()).await
    };
    let claim = claim_of(&log, "after", "a").await;
    let again = log.next(&claim, None, 1).await.unwrap();
    assert_eq!((ids(&again), again[0].deliveries), (vec!["1"], 2));
    log.dead_letter(&claim, &again[0], "why").await.unwrap();
    // It is the letter that somebody may have read already.
    assert_eq!(log.dead_letters(STREAM, 0, 10).await.unwrap().items, letters);
    assert_eq!(ids(&log.next(&claim, None, 1).await.unwrap()), ["2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_cut_between_its_steps_is_settled_by_repeating_it() {
    let Some(engine) = engine("a_replay_cut").await else {
        return;
    };
    let log = open(&engine).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let poison = log.next(&claim, None, 1).await.unwrap();
    log.dead_letter(&claim, &poison[0], "why").await.unwrap();
    let letter = log.dead_letters(STREAM, 0, 10).await.unwrap().items[0].id;
    // The event's append arrives, its answer does not.
    engine.proxy.cut_after(format!("r:{letter}").as_bytes());
    let unknown = log.replay(letter).await.unwrap_err();
    assert!(unknown.is_unknown(), "{unknown:?}");
    engine.proxy.heal();
    healthy(&log).await;
    log.replay(letter).await.unwrap();
    assert_eq!(held(&log, "a").await, ["1", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_and_a_narrow_line_are_only_slow() {
    let Some(engine) = engine("a_slow_line").await else {
        return;
    };
    let log = {
        use crate::contract::Engine;
        engine.open(StreamSettings::default()).await
    };
    log.publish(STREAM, &[event(0, "a")]).await.unwrap();
    engine.proxy.slow(Duration::from_millis(15));
    log.publish(STREAM, &[event(1, "a"), event(2, "b")])
        .await
        .unwrap();
    engine.proxy.throttle(200_000);
    let batch: Vec<_> = (3..50).map(|id| event(id, "a")).collect();
    log.publish(STREAM, &batch).await.unwrap();
    assert_eq!(held(&log, "a").await.len(), 2 + 47);
    // Nothing passes: each call ends by its deadline.
    engine.proxy.stall();
    assert!(log.probe().await.is_err());
    assert!(
        log.publish(STREAM, &[event(99, "a")])
            .await
            .unwrap_err()
            .retryable()
    );
}

struct Tell(mpsc::UnboundedSender<String>);

#[async_trait::async_trait]
impl Handler for Tell {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let _ = self.0.send(delivery.event.id.clone());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_acknowledged_and_the_consumer_goes_on() {
    let Some(mut server) = OwnEngine::start(Kind::Nats, "a_killed_server").await else {
        return;
    };
    let nats = Nats::connect(&server.url(), impatient(), telemetry(), SystemClock::shared())
        .await
        .unwrap();
    let log = NatsStreamLog::open(
        nats,
        StreamSettings::default(),
        telemetry(),
        SystemClock::shared(),
    );
    let log: Arc<dyn StreamLog> = Arc::new(log.await.unwrap());
    let (told, mut handled) = mpsc::unbounded_channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let settings = ConsumerSettings {
        poll_ms: 100,
        ..ConsumerSettings::default()
    };
    let consumer = Consumer::new(log.clone(), group(), settings);
    let consumer = tokio::spawn(consumer.run(Arc::new(Tell(told)), async {
        let _ = stopped.await;
    }));
    log.publish(STREAM, &[event("before", "a")]).await.unwrap();
    assert_eq!(handled.recv().await.as_deref(), Some("before"));
    let acknowledged: Vec<_> = (0..50).map(|id| event(id, "b")).collect();
    log.publish(STREAM, &acknowledged).await.unwrap();
    server.kill();
    assert!(
        log.publish(STREAM, &[event("lost", "a")])
            .await
            .unwrap_err()
            .retryable()
    );
    server.restart().await;
    healthy(&log).await;
    log.publish(STREAM, &[event("after", "a")]).await.unwrap();
    let patience = tokio::time::timeout(Duration::from_secs(30), async {
        while handled.recv().await.as_deref() != Some("after") {}
    });
    patience.await.expect("the consumer goes on");
    let expected: Vec<_> = (0..50).map(|id| id.to_string()).collect();
    assert_eq!(held(&log, "b").await, expected);
    assert_eq!(Partition::of("b"), acknowledged[0].partition());
    let _ = stop.send(());
    consumer.await.unwrap();
}
