use std::sync::Arc;
use std::time::Duration;

use streams::{Group, PARTITIONS, StreamError, StreamLog, StreamSettings};

use super::{Engine, STREAM, claim_of, event, everything, group, ids};

pub(crate) async fn what_is_not_acked_comes_again_and_is_counted(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    for deliveries in 1..=3 {
        let delivered = log.next(&claim, None, 1).await.unwrap();
        assert_eq!(
            (ids(&delivered), delivered[0].deliveries),
            (vec!["1"], deliveries)
        );
    }
    let first = log.next(&claim, None, 1).await.unwrap();
    // Acked, the next one starts counting anew.
    let second = log.next(&claim, Some(first[0].position), 1).await.unwrap();
    assert_eq!((ids(&second), second[0].deliveries), (vec!["2"], 1));
    assert!(
        log.next(&claim, Some(second[0].position), 1)
            .await
            .unwrap()
            .is_empty()
    );
    // An ack is cumulative, may come again, and may not run ahead.
    assert!(
        log.next(&claim, Some(first[0].position), 1)
            .await
            .unwrap()
            .is_empty()
    );
    log.publish(STREAM, &[event(3, "a")]).await.unwrap();
    let ahead = streams::Position(99);
    assert_eq!(ids(&log.next(&claim, Some(ahead), 1).await.unwrap()), ["3"]);
}

pub(crate) async fn what_a_dead_process_had_is_delivered_again(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let before = claim_of(&log, "before", "a").await;
    assert_eq!(log.next(&before, None, 1).await.unwrap()[0].deliveries, 1);
    let log = engine.restart(log, StreamSettings::default()).await;
    let after = claim_of(&log, "after", "a").await;
    assert!(after.epoch > before.epoch);
    assert_eq!(log.next(&after, None, 1).await.unwrap()[0].deliveries, 2);
}

pub(crate) async fn acks_are_kept_over_a_restart(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "before", "a").await;
    let delivered = log.next(&claim, None, 2).await.unwrap();
    assert!(
        log.next(&claim, Some(delivered[0].position), 0)
            .await
            .unwrap()
            .is_empty()
    );
    let log = engine.restart(log, StreamSettings::default()).await;
    let claim = claim_of(&log, "after", "a").await;
    assert_eq!(ids(&log.next(&claim, None, 2).await.unwrap()), ["2"]);
}

pub(crate) async fn an_event_delivered_before_comes_alone(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let batch: Vec<_> = (1..=4).map(|id| event(id, "a")).collect();
    log.publish(STREAM, &batch).await.unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 3).await.unwrap();
    assert_eq!(ids(&delivered), ["1", "2", "3"]);
    assert!(delivered.iter().all(|delivery| delivery.deliveries == 1));
    let again = log.next(&claim, None, 3).await.unwrap();
    assert_eq!((ids(&again), again[0].deliveries), (vec!["1"], 2));
    // The holder lives, so it did not begin the others: they were not delivered.
    let rest = log.next(&claim, Some(again[0].position), 3).await.unwrap();
    assert_eq!(ids(&rest), ["2", "3", "4"]);
    assert!(rest.iter().all(|delivery| delivery.deliveries == 1));
}

pub(crate) async fn after_a_crash_each_of_the_last_batch_counts_as_delivered(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let batch: Vec<_> = (1..=4).map(|id| event(id, "a")).collect();
    log.publish(STREAM, &batch).await.unwrap();
    let claim = claim_of(&log, "before", "a").await;
    assert_eq!(ids(&log.next(&claim, None, 3).await.unwrap()), ["1", "2", "3"]);
    // Whichever of them was being handled: nobody knows, so each comes alone, a second time.
    let log = engine.restart(log, StreamSettings::default()).await;
    let claim = claim_of(&log, "after", "a").await;
    let mut acked = None;
    for id in ["1", "2", "3"] {
        let delivered = log.next(&claim, acked, 3).await.unwrap();
        assert_eq!((ids(&delivered), delivered[0].deliveries), (vec![id], 2));
        acked = Some(delivered[0].position);
    }
    let fresh = log.next(&claim, acked, 3).await.unwrap();
    assert_eq!((ids(&fresh), fresh[0].deliveries), (vec!["4"], 1));
}

pub(crate) async fn of_two_consumers_one_holds_a_partition_until_its_claim_runs_out(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            claim_ms: 1_000,
            ..StreamSettings::default()
        })
        .await;
    let first = log.claim(&group(), "first").await.unwrap();
    assert_eq!(first.len(), usize::from(PARTITIONS));
    assert!(log.claim(&group(), "second").await.unwrap().is_empty());
    // Renewed in time it holds on, under the same epoch.
    engine.clock().advance(Duration::from_millis(900));
    assert_eq!(log.claim(&group(), "first").await.unwrap(), first);
    engine.clock().advance(Duration::from_millis(900));
    assert!(log.claim(&group(), "second").await.unwrap().is_empty());
    // Not renewed it is free to take, under a higher one.
    engine.clock().advance(Duration::from_millis(101));
    let second = log.claim(&group(), "second").await.unwrap();
    assert_eq!(second.len(), usize::from(PARTITIONS));
    assert!(
        second
            .iter()
            .zip(&first)
            .all(|(second, first)| second.epoch > first.epoch)
    );
    assert!(log.claim(&group(), "first").await.unwrap().is_empty());
    // Racing for what is free, each partition has one winner.
    engine.clock().advance(Duration::from_millis(1_001));
    let racers: Vec<_> = (0..8)
        .map(|racer| {
            let log = log.clone();
            tokio::spawn(async move {
                log.claim(&group(), &format!("racer-{racer}"))
                    .await
                    .unwrap()
                    .len()
            })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += racer.await.unwrap();
    }
    assert_eq!(won, usize::from(PARTITIONS));
}

pub(crate) async fn a_consumer_that_lost_its_claim_is_fenced(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            claim_ms: 1_000,
            ..StreamSettings::default()
        })
        .await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let stale = claim_of(&log, "stale", "a").await;
    let delivered = log.next(&stale, None, 1).await.unwrap();
    engine.clock().advance(Duration::from_millis(1_001));
    let holder = claim_of(&log, "holder", "a").await;
    let fenced = |outcome: Result<(), StreamError>| matches!(outcome, Err(StreamError::Fenced { .. }));
    let position = delivered[0].position;
    assert!(fenced(log.next(&stale, Some(position), 1).await.map(|_| ())));
    assert!(fenced(log.next(&stale, None, 1).await.map(|_| ())));
    assert!(fenced(log.dead_letter(&stale, &delivered[0], "late").await));
    log.release(&stale).await.unwrap();
    // Nothing of that moved the group, or freed the partition.
    let again = log.next(&holder, None, 1).await.unwrap();
    assert_eq!((ids(&again), again[0].deliveries), (vec!["1"], 2));
    assert!(log.claim(&group(), "third").await.unwrap().is_empty());
    assert!(log.dead_letters(STREAM, 0, 10).await.unwrap().items.is_empty());
}

pub(crate) async fn a_claim_given_up_is_free_at_once(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let claim = claim_of(&log, "first", "a").await;
    log.release(&claim).await.unwrap();
    let taken = log.claim(&group(), "second").await.unwrap();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].partition == claim.partition && taken[0].epoch > claim.epoch);
}

pub(crate) async fn a_clock_set_back_does_not_keep_a_dead_claim_alive(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            claim_ms: 1_000,
            ..StreamSettings::default()
        })
        .await;
    assert_eq!(
        log.claim(&group(), "dead").await.unwrap().len(),
        usize::from(PARTITIONS)
    );
    engine.clock().step_wall(-3_600_000);
    assert_eq!(
        log.claim(&group(), "alive").await.unwrap().len(),
        usize::from(PARTITIONS)
    );
}

pub(crate) async fn a_clock_a_little_behind_takes_no_claim_that_is_held(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            claim_ms: 1_000,
            ..StreamSettings::default()
        })
        .await;
    let held = log.claim(&group(), "holder").await.unwrap();
    engine.clock().step_wall(-900);
    assert!(log.claim(&group(), "behind").await.unwrap().is_empty());
    assert_eq!(log.claim(&group(), "holder").await.unwrap(), held);
}

pub(crate) async fn claimants_that_race_while_time_goes_on_share_no_partition(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let racers: Vec<_> = (0..8)
        .map(|racer| {
            let log = log.clone();
            // Each begins a little later than the one before.
            engine.clock().advance(Duration::from_millis(1));
            tokio::spawn(async move { log.claim(&group(), &format!("racer-{racer}")).await.unwrap() })
        })
        .collect();
    let mut won = Vec::new();
    for racer in racers {
        engine.clock().advance(Duration::from_millis(1));
        won.extend(racer.await.unwrap());
    }
    assert_eq!(won.len(), usize::from(PARTITIONS));
    assert!(won.iter().all(|claim| claim.epoch == won[0].epoch), "{won:?}");
}

pub(crate) async fn a_delivery_that_only_waited_is_given_back(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let batch: Vec<_> = (1..=4).map(|id| event(id, "a")).collect();
    log.publish(STREAM, &batch).await.unwrap();
    // Given up cleanly, or run out while it waits.
    for holder in 0..6 {
        let claim = claim_of(&log, &format!("holder-{holder}"), "a").await;
        let delivered = log.next(&claim, None, 4).await.unwrap();
        let (waits, at) = if holder == 0 { (1, "2") } else { (0, "2") };
        assert_eq!((ids(&delivered)[waits], delivered[waits].deliveries), (at, 1));
        // What is before it is acked by that; an outcome that is unknown is settled by another try.
        log.give_back(&claim, &delivered[waits]).await.unwrap();
        log.give_back(&claim, &delivered[waits]).await.unwrap();
        if holder % 2 == 0 {
            log.release(&claim).await.unwrap();
        } else {
            engine
                .clock()
                .advance(log.claim_lasts() + Duration::from_millis(1));
        }
    }
    let claim = claim_of(&log, "last", "a").await;
    let delivered = log.next(&claim, None, 4).await.unwrap();
    assert_eq!(ids(&delivered), ["2", "3", "4"]);
    assert!(delivered.iter().all(|delivery| delivery.deliveries == 1));
    // Acked, there is nothing to give back; a claim that is lost gives nothing back.
    let last = delivered[2].position;
    assert!(log.next(&claim, Some(last), 4).await.unwrap().is_empty());
    log.give_back(&claim, &delivered[0]).await.unwrap();
    assert!(log.next(&claim, None, 4).await.unwrap().is_empty());
    engine
        .clock()
        .advance(log.claim_lasts() + Duration::from_millis(1));
    claim_of(&log, "thief", "a").await;
    log.publish(STREAM, &[event(5, "a")]).await.unwrap();
    let fenced = log.next(&claim, None, 1).await;
    assert!(matches!(fenced, Err(StreamError::Fenced { .. })), "{fenced:?}");
}

pub(crate) async fn what_was_counted_before_a_wait_stays_counted(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let before = claim_of(&log, "before", "a").await;
    assert_eq!(log.next(&before, None, 2).await.unwrap()[0].deliveries, 1);
    let log = engine.restart(log, StreamSettings::default()).await;
    let claim = claim_of(&log, "after", "a").await;
    let mut delivered = log.next(&claim, None, 2).await.unwrap();
    for _ in 0..3 {
        assert_eq!((ids(&delivered), delivered[0].deliveries), (vec!["1"], 2));
        log.give_back(&claim, &delivered[0]).await.unwrap();
        delivered = log.next(&claim, None, 2).await.unwrap();
    }
    // Without a wait it counts on; and of the second one it is still not known whether it was begun.
    delivered = log.next(&claim, None, 2).await.unwrap();
    assert_eq!(delivered[0].deliveries, 3);
    let second = log.next(&claim, Some(delivered[0].position), 2).await.unwrap();
    assert_eq!((ids(&second), second[0].deliveries), (vec!["2"], 2));
}

pub(crate) async fn groups_advance_independently(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 1).await.unwrap();
    log.next(&claim, Some(delivered[0].position), 0).await.unwrap();
    let other = Group::new(STREAM, "other");
    let claims = log.claim(&other, "me").await.unwrap();
    let claim = claims
        .into_iter()
        .find(|other| other.partition == claim.partition)
        .unwrap();
    assert_eq!(ids(&log.next(&claim, None, 1).await.unwrap()), ["1"]);
}

/// A sound engine may miss a deadline on a machine that is busy enough.
async fn healthy(log: &Arc<dyn StreamLog>) {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while log.probe().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    patience.await.expect("the engine is healthy");
}

pub(crate) async fn an_engine_that_is_lost_is_reported_and_back_later(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 1).await.unwrap();
    healthy(&log).await;

    let cut = engine.cut().await;
    assert!(log.probe().await.is_err());
    let refused = log.publish(STREAM, &[event(2, "a")]).await.unwrap_err();
    assert!(refused.retryable(), "{refused:?}");
    let refused = log
        .next(&claim, Some(delivered[0].position), 1)
        .await
        .unwrap_err();
    assert!(refused.retryable(), "{refused:?}");
    cut.heal().await;

    healthy(&log).await;
    log.publish(STREAM, &[event(2, "a")]).await.unwrap();
    let delivered = log.next(&claim, Some(delivered[0].position), 1).await.unwrap();
    assert_eq!((ids(&delivered), delivered[0].deliveries), (vec!["2"], 1));
    assert_eq!(everything(&log, "a", 10).await.len(), 2);
}
