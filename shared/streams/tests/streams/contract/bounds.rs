use streams::{Event, StreamError, StreamSettings};

use super::{Engine, STREAM, event, everything};

pub(crate) async fn a_full_stream_refuses_the_whole_batch_and_drops_nothing(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            events_max: 3,
            ..StreamSettings::default()
        })
        .await;
    log.publish(STREAM, &[event(1, "a"), event(2, "b")])
        .await
        .unwrap();
    let refused = log
        .publish(STREAM, &[event(3, "a"), event(4, "b")])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StreamError::Full) && refused.retryable(),
        "{refused:?}"
    );
    assert_eq!(everything(&log, "a", 10).await, [(1, "1".to_owned())]);
    assert_eq!(everything(&log, "b", 10).await, [(1, "2".to_owned())]);
    // What fits is taken; what is a duplicate needs no room.
    log.publish(STREAM, &[event(1, "a"), event(3, "a"), event(2, "b")])
        .await
        .unwrap();
    assert!(matches!(
        log.publish(STREAM, &[event(4, "b")]).await,
        Err(StreamError::Full)
    ));
    assert_eq!(log.publish(STREAM, &[event(3, "a")]).await.unwrap().duplicates, 1);
    // Another stream has room of its own.
    log.publish("other", &[event(4, "b")]).await.unwrap();
    let lag = log.lag(STREAM).await.unwrap();
    assert_eq!(lag.depth, 3);
}

pub(crate) async fn a_stream_full_of_bytes_refuses(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            kib_max: 4,
            ..StreamSettings::default()
        })
        .await;
    let sized = |id: u32, bytes: u64| Event {
        data: "x".repeat(usize::try_from(bytes).unwrap()),
        ..event(id, "a")
    };
    // Whether the limit counts envelopes is the engine's; that it holds is not.
    let envelopes = 2 * engine.envelope_bytes_max();
    log.publish(STREAM, &[sized(1, 600)]).await.unwrap();
    assert!(matches!(
        log.publish(STREAM, &[sized(2, 4_096 - 600 + 1)]).await,
        Err(StreamError::Full)
    ));
    log.publish(STREAM, &[sized(3, 4_096 - 600 - envelopes)])
        .await
        .unwrap();
    let bytes = log.lag(STREAM).await.unwrap().bytes;
    assert!((4_096 - envelopes..=4_096).contains(&bytes), "{bytes} bytes");
}

pub(crate) async fn the_largest_event_is_taken_and_one_byte_more_refused(engine: &dyn Engine) {
    let settings = StreamSettings::default();
    let max = settings.event_bytes_max as usize;
    let log = engine.open(settings).await;
    let sized = |id: u32, bytes: usize| Event {
        data: format!("\"{}\"", "x".repeat(bytes - 2)),
        ..event(id, "a")
    };
    let largest = sized(1, max);
    log.publish(STREAM, std::slice::from_ref(&largest)).await.unwrap();
    let refused = log
        .publish(STREAM, &[event(2, "a"), sized(3, max + 1)])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StreamError::TooLarge { .. }) && !refused.retryable(),
        "{refused:?}"
    );
    assert_eq!(everything(&log, "a", 10).await.len(), 1);
    let back = log
        .read_from(STREAM, largest.partition(), streams::Position::START, 1)
        .await
        .unwrap();
    assert_eq!(back[0].event, largest);
}

pub(crate) async fn too_many_events_in_a_batch_are_refused(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            batch_max: 2,
            ..StreamSettings::default()
        })
        .await;
    let batch: Vec<_> = (0..3).map(|id| event(id, "a")).collect();
    let refused = log.publish(STREAM, &batch).await.unwrap_err();
    assert!(
        matches!(refused, StreamError::BatchTooLarge { events: 3, max: 2 }),
        "{refused:?}"
    );
    assert!(everything(&log, "a", 10).await.is_empty());
    assert_eq!(log.publish(STREAM, &[]).await.unwrap().stored, 0);
}

pub(crate) async fn an_invalid_event_refuses_its_whole_batch(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let nameless = Event {
        id: String::new(),
        ..event(0, "a")
    };
    let refused = log.publish(STREAM, &[event(1, "a"), nameless]).await.unwrap_err();
    assert!(
        matches!(refused, StreamError::Invalid { field: "id", .. }),
        "{refused:?}"
    );
    assert!(matches!(
        log.publish("", &[event(1, "a")]).await,
        Err(StreamError::Invalid { field: "stream", .. })
    ));
    let endless = streams::Group::new(STREAM, "g".repeat(65));
    assert!(matches!(
        log.claim(&endless, "me").await,
        Err(StreamError::Invalid { field: "group", .. })
    ));
    assert!(everything(&log, "a", 10).await.is_empty());
}
