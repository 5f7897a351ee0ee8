//! Two processes on one log: each has a connection and a log of its own.

use std::time::Duration;

use streams::{StreamError, StreamSettings};

use super::engine;
use crate::contract::{Engine, STREAM, claim_of, event, everything, group, ids};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_publishes_wakes_the_other_and_is_known_to_it() {
    let Some(engine) = engine("one_wakes_the_other").await else {
        return;
    };
    let here = engine.open(StreamSettings::default()).await;
    let there = engine.open(StreamSettings::default()).await;
    let claim = claim_of(&there, "there", "a").await;
    let mut waiting = there.wakes(STREAM, claim.partition);
    here.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let patience = tokio::time::timeout(Duration::from_secs(10), waiting.changed());
    patience.await.expect("news arrives").unwrap();
    let delivered = there.next(&claim, None, 5).await.unwrap();
    assert_eq!(ids(&delivered), ["1"]);
    assert_eq!(
        there.publish(STREAM, &[event(1, "a")]).await.unwrap().duplicates,
        1
    );
    assert!(here.claim(&group(), "here").await.unwrap().len() < 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_that_race_into_one_partition_each_keep_their_order() {
    let Some(engine) = engine("publishers_that_race").await else {
        return;
    };
    let mut racers = Vec::new();
    for racer in 0..3 {
        let log = engine.open(StreamSettings::default()).await;
        racers.push(tokio::spawn(async move {
            for batch in 0..5 {
                let batch: Vec<_> = (batch * 20..batch * 20 + 20)
                    .map(|id| event(format!("{racer}-{id}"), "a"))
                    .collect();
                let published = log.publish(STREAM, &batch).await.unwrap();
                assert_eq!((published.stored, published.duplicates), (20, 0));
            }
        }));
    }
    for racer in racers {
        racer.await.unwrap();
    }
    let log = engine.open(StreamSettings::default()).await;
    let all = everything(&log, "a", 500).await;
    assert_eq!(all.len(), 300);
    for racer in 0..3 {
        let own = all.iter().filter_map(|(_, id)| {
            let (who, number) = id.split_once('-')?;
            (who == racer.to_string()).then(|| number.to_owned())
        });
        assert!(own.eq((0..100).map(|id| id.to_string())), "racer {racer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_batch_published_by_two_is_stored_once_in_its_order() {
    let Some(engine) = engine("one_batch_by_two").await else {
        return;
    };
    let batch: Vec<_> = (0..50).map(|id| event(id, "a")).collect();
    let (here, there) = (
        engine.open(StreamSettings::default()).await,
        engine.open(StreamSettings::default()).await,
    );
    let (one, two) = tokio::join!(here.publish(STREAM, &batch), there.publish(STREAM, &batch));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.stored + two.stored, 50, "{one:?} {two:?}");
    let held: Vec<_> = everything(&here, "a", 500)
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    assert_eq!(held, (0..50).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_replay_one_letter_store_its_event_once() {
    let Some(engine) = engine("two_that_replay").await else {
        return;
    };
    let here = engine.open(StreamSettings::default()).await;
    let there = engine.open(StreamSettings::default()).await;
    here.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let claim = claim_of(&here, "me", "a").await;
    let poison = here.next(&claim, None, 1).await.unwrap();
    here.dead_letter(&claim, &poison[0], "why").await.unwrap();
    let letter = there.dead_letters(STREAM, 0, 10).await.unwrap().items[0].id;
    let (one, two) = tokio::join!(here.replay(letter), there.replay(letter));
    let refused = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(
        matches!(refused[..], [StreamError::NoDeadLetter { .. }]),
        "{refused:?}"
    );
    assert_eq!(everything(&here, "a", 10).await.len(), 2);
    assert_eq!(there.lag(STREAM).await.unwrap().dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_slept_past_its_claim_is_fenced_in_the_other_process() {
    let Some(engine) = engine("slept_past_its_claim").await else {
        return;
    };
    let sleeper = engine.open(StreamSettings::default()).await;
    let other = engine.open(StreamSettings::default()).await;
    sleeper
        .publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let slept = claim_of(&sleeper, "sleeper", "a").await;
    let delivered = sleeper.next(&slept, None, 2).await.unwrap();
    engine
        .clock()
        .advance(sleeper.claim_lasts() + Duration::from_millis(1));
    let claim = claim_of(&other, "other", "a").await;
    // The sleeper goes on by what it knows; its ack does not get through.
    let fenced = sleeper.next(&slept, Some(delivered[1].position), 1).await;
    assert!(matches!(fenced, Err(StreamError::Fenced { .. })), "{fenced:?}");
    let again = other.next(&claim, None, 2).await.unwrap();
    assert_eq!((ids(&again), again[0].deliveries), (vec!["1"], 2));
}

/// Collected while others publish and read: nothing that is still to be handled goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_two_collect_loses_nothing_unacked() {
    let Some(engine) = engine("two_collect").await else {
        return;
    };
    let settings = StreamSettings {
        retention_ms: 0,
        dedupe_window_ms: 100,
        ..StreamSettings::default()
    };
    let (here, there) = (engine.open(settings.clone()).await, engine.open(settings).await);
    let claim = claim_of(&here, "me", "a").await;
    let batch: Vec<_> = (0..100).map(|id| event(id, "a")).collect();
    here.publish(STREAM, &batch).await.unwrap();
    let delivered = here.next(&claim, None, 60).await.unwrap();
    here.next(&claim, Some(delivered[59].position), 0).await.unwrap();
    engine.clock().advance(Duration::from_secs(1));
    let (one, two) = tokio::join!(here.collect(STREAM), there.collect(STREAM));
    assert_eq!(one.unwrap().events + two.unwrap().events, 60);
    let rest = here.next(&claim, None, 100).await.unwrap();
    assert_eq!(rest[0].event.id, "60");
    assert_eq!(here.lag(STREAM).await.unwrap().groups[0].events, 40);
}
