//! What an append refuses, and a stream with room for less than the outbox holds.

use outbox::{APPEND_MAX, DATA_BYTES_MAX, OutboxError, OutboxSettings};
use streams::{Event, StreamSettings};

use crate::engines::{Place, eventually, quick};
use crate::event;

async fn embedded(streams: StreamSettings) -> Place {
    Place::embedded("bounds", streams)
        .await
        .expect("an embedded engine is always there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_stream_would_take_is_refused_with_its_transaction() {
    let place = embedded(StreamSettings::default()).await;
    let large = |bytes| Event {
        data: "x".repeat(bytes),
        ..event(1, "payment/1")
    };
    place.append(&[large(DATA_BYTES_MAX)]).await;
    for wrong in [
        large(DATA_BYTES_MAX + 1),
        event("", "payment/1"),
        event(2, ""),
        event(2, &"k".repeat(257)),
    ] {
        let refused = place.act(&[event(3, "payment/1"), wrong], false).await;
        assert!(matches!(refused, Err(OutboxError::Event { .. })), "{refused:?}");
    }
    let many: Vec<Event> = (0..=APPEND_MAX).map(|id| event(10 + id, "payment/1")).collect();
    let refused = place.act(&many, false).await;
    assert!(
        matches!(refused, Err(OutboxError::TooMany { events }) if events == APPEND_MAX + 1),
        "{refused:?}"
    );
    place.append(&many[..APPEND_MAX]).await;
    place.append(&[]).await;
    assert_eq!(place.rows().await.len(), 1 + APPEND_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stream_keeps_the_rest_waiting_in_order() {
    let place = embedded(StreamSettings {
        events_max: 5,
        ..StreamSettings::default()
    })
    .await;
    let process = place.process(OutboxSettings {
        batch_max: 2,
        ..quick()
    });
    place
        .append(&(0..9).map(|id| event(id, "payment/1")).collect::<Vec<_>>())
        .await;
    eventually("it is full", async || process.shows("outcome=\"stream_full\"")).await;
    eventually("the rest waits", async || process.shows("outbox_pending 5")).await;
    assert_eq!(place.streamed("payment/1").await, ["0", "1", "2", "3"]);
    assert_eq!(place.unmarked().await, ["4", "5", "6", "7", "8"]);
    process.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_far_beyond_the_window_is_worked_off_in_order() {
    let place = embedded(StreamSettings::default()).await;
    for id in 0..8 {
        let events: Vec<Event> = (0..50).map(|n| event(id * 50 + n, "payment/1")).collect();
        place.append(&events).await;
    }
    let process = place.process(OutboxSettings {
        window_max: 16,
        batch_max: 7,
        ..quick()
    });
    place.relayed().await;
    let expected: Vec<String> = (0..400).map(|id| id.to_string()).collect();
    assert_eq!(place.streamed("payment/1").await, expected);
    process.drain().await;
}
