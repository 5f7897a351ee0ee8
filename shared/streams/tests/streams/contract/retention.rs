use std::sync::Arc;
use std::time::Duration;

use streams::{Claim, Collected, Group, GroupLag, Position, StreamError, StreamLog, StreamSettings};

use super::{Engine, STREAM, claim_of, event, everything, group, ids};

fn settings() -> StreamSettings {
    StreamSettings {
        retention_ms: 60_000,
        dedupe_window_ms: 1_000,
        ..StreamSettings::default()
    }
}

async fn ack_all(log: &Arc<dyn StreamLog>, claim: &Claim) {
    let mut acked = None;
    loop {
        let delivered = log.next(claim, acked, 500).await.unwrap();
        let Some(last) = delivered.last() else { return };
        acked = Some(last.position);
    }
}

pub(crate) async fn collection_deletes_only_what_every_group_acked_and_is_old(engine: &dyn Engine) {
    let log = engine.open(settings()).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let slow = Group::new(STREAM, "slow");
    let slow = log.claim(&slow, "me").await.unwrap();
    let fast = claim_of(&log, "me", "a").await;
    let slow = slow
        .into_iter()
        .find(|claim| claim.partition == fast.partition)
        .unwrap();
    ack_all(&log, &fast).await;
    let first = log.next(&slow, None, 1).await.unwrap();

    engine.clock().advance(Duration::from_millis(60_001));
    log.publish(STREAM, &[event(3, "a")]).await.unwrap();
    assert_eq!(log.collect(STREAM).await.unwrap(), Collected::default());
    // One event acked by all of them: that one goes.
    log.next(&slow, Some(first[0].position), 0).await.unwrap();
    assert_eq!(log.collect(STREAM).await.unwrap().events, 1);
    assert_eq!(everything(&log, "a", 10).await[0], (2, "2".to_owned()));
    // All acked: the young one stays.
    ack_all(&log, &slow).await;
    ack_all(&log, &fast).await;
    assert_eq!(log.collect(STREAM).await.unwrap().events, 1);
    assert_eq!(everything(&log, "a", 10).await, [(3, "3".to_owned())]);
    engine.clock().advance(Duration::from_millis(60_001));
    assert_eq!(log.collect(STREAM).await.unwrap().events, 1);
    let lag = log.lag(STREAM).await.unwrap();
    assert_eq!((lag.depth, lag.bytes), (0, 0));
}

pub(crate) async fn a_stream_that_is_half_full_keeps_what_was_acked_for_the_dedupe_window_alone(
    engine: &dyn Engine,
) {
    let narrow = StreamSettings {
        events_max: 6,
        ..settings()
    };
    let log = engine.open(narrow).await;
    let claim = claim_of(&log, "me", "a").await;
    let three = [event(1, "a"), event(2, "a"), event(3, "a")];
    log.publish(STREAM, &three).await.unwrap();
    ack_all(&log, &claim).await;
    engine.clock().advance(Duration::from_millis(1_001));
    assert_eq!(
        log.collect(STREAM).await.unwrap(),
        Collected::default(),
        "half is free"
    );
    log.publish(STREAM, &[event(4, "a")]).await.unwrap();
    assert_eq!(log.collect(STREAM).await.unwrap().events, 3);
    assert_eq!(everything(&log, "a", 10).await, [(4, "4".to_owned())]);
}

pub(crate) async fn collection_keeps_a_stream_that_nobody_reads(engine: &dyn Engine) {
    let log = engine.open(settings()).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    engine.clock().advance(Duration::from_hours(1));
    assert_eq!(log.collect(STREAM).await.unwrap(), Collected::default());
    assert_eq!(everything(&log, "a", 10).await.len(), 1);
}

pub(crate) async fn collection_makes_room(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            events_max: 2,
            ..settings()
        })
        .await;
    let claim = claim_of(&log, "me", "a").await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    ack_all(&log, &claim).await;
    engine.clock().advance(Duration::from_millis(60_001));
    assert!(matches!(
        log.publish(STREAM, &[event(3, "a")]).await,
        Err(StreamError::Full)
    ));
    log.collect(STREAM).await.unwrap();
    log.publish(STREAM, &[event(3, "a")]).await.unwrap();
}

pub(crate) async fn collection_works_in_bounded_steps(engine: &dyn Engine) {
    let log = engine.open(settings()).await;
    let claim = claim_of(&log, "me", "a").await;
    for batch in 0..2 {
        let batch: Vec<_> = (0..450).map(|id| event(batch * 450 + id, "a")).collect();
        log.publish(STREAM, &batch).await.unwrap();
    }
    ack_all(&log, &claim).await;
    engine.clock().advance(Duration::from_millis(60_001));
    let (mut deleted, mut steps) = (0, 0);
    loop {
        let collected = log.collect(STREAM).await.unwrap();
        deleted += collected.events;
        steps += 1;
        if !collected.more {
            break;
        }
    }
    assert_eq!(deleted, 900);
    assert!(steps > 1, "one step deleted everything");
}

pub(crate) async fn a_new_group_starts_before_the_oldest_kept_event(engine: &dyn Engine) {
    let log = engine.open(settings()).await;
    let claim = claim_of(&log, "me", "a").await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    ack_all(&log, &claim).await;
    engine.clock().advance(Duration::from_millis(60_001));
    log.publish(STREAM, &[event(2, "a")]).await.unwrap();
    log.collect(STREAM).await.unwrap();
    log.publish("other", &[event(2, "a"), event(3, "b")])
        .await
        .unwrap();

    let late = Group::new(STREAM, "late");
    let claims = log.claim(&late, "me").await.unwrap();
    assert_eq!(claims.len(), 16);
    let claim = claims
        .into_iter()
        .find(|late| late.partition == claim.partition)
        .unwrap();
    let lag = log.lag(STREAM).await.unwrap();
    let of_late = lag.groups.iter().find(|group| group.name == "late").unwrap();
    assert_eq!(of_late.events, 1);
    assert_eq!(ids(&log.next(&claim, None, 10).await.unwrap()), ["2"]);
}

pub(crate) async fn positions_are_never_reused(engine: &dyn Engine) {
    let log = engine.open(settings()).await;
    let claim = claim_of(&log, "me", "a").await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    ack_all(&log, &claim).await;
    engine.clock().advance(Duration::from_millis(60_001));
    log.collect(STREAM).await.unwrap();
    let log = engine.restart(log, settings()).await;
    log.publish(STREAM, &[event(2, "a")]).await.unwrap();
    let claim = claim_of(&log, "after", "a").await;
    assert_eq!(log.next(&claim, None, 1).await.unwrap()[0].position, Position(2));
}

pub(crate) async fn lag_and_depth_are_what_was_published_and_not_acked(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let claim = claim_of(&log, "me", "a").await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a"), event(3, "b")])
        .await
        .unwrap();
    engine.clock().advance(Duration::from_millis(1_500));
    log.publish(STREAM, &[event(4, "a")]).await.unwrap();
    let behind = |events, oldest_ms| {
        vec![GroupLag {
            name: group().name,
            events,
            oldest_ms,
        }]
    };
    let lag = log.lag(STREAM).await.unwrap();
    assert_eq!((lag.depth, lag.groups), (4, behind(4, 1_500)));
    let data = 4 * "\"data\"".len() as u64;
    let bytes = data..=data + 4 * engine.envelope_bytes_max();
    assert!(bytes.contains(&lag.bytes), "{} bytes", lag.bytes);
    ack_all(&log, &claim).await;
    let lag = log.lag(STREAM).await.unwrap();
    assert_eq!((lag.depth, lag.groups), (4, behind(1, 1_500)));
    let claims = log.claim(&group(), "me").await.unwrap();
    for claim in &claims {
        ack_all(&log, claim).await;
    }
    assert_eq!(log.lag(STREAM).await.unwrap().groups, behind(0, 0));
}
