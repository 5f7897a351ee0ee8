use std::time::Duration;

use streams::{Partition, Published, StreamSettings};

use super::{Engine, STREAM, event, everything, two_keys};

pub(crate) async fn events_of_one_key_keep_their_order(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    for id in 0..20 {
        log.publish(STREAM, &[event(id, "a"), event(format!("other-{id}"), "b")])
            .await
            .unwrap();
    }
    let held = everything(&log, "a", 7).await;
    let expected: Vec<_> = (0..20).map(|id| (id + 1, id.to_string())).collect();
    assert_eq!(held, expected);
}

pub(crate) async fn a_batch_is_in_the_log_in_its_order(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let batch: Vec<_> = (0..500)
        .map(|id| event(id, if id % 3 == 0 { "a" } else { "b" }))
        .collect();
    let published = log.publish(STREAM, &batch).await.unwrap();
    assert_eq!(
        published,
        Published {
            stored: 500,
            duplicates: 0
        }
    );
    let held: Vec<_> = everything(&log, "a", 500)
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    let expected: Vec<_> = (0..500).step_by(3).map(|id| id.to_string()).collect();
    assert_eq!(held, expected);
    // Everything of the envelope comes back.
    let full = streams::Event {
        subject: Some("s".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        tenant: Some("acme".to_owned()),
        data: r#"{"text":"größer\u0000"}"#.to_owned(),
        ..event("full", "c")
    };
    log.publish("other", std::slice::from_ref(&full)).await.unwrap();
    let back = log
        .read_from("other", Partition::of("c"), streams::Position::START, 1)
        .await
        .unwrap();
    assert_eq!(back[0].event, full);
}

pub(crate) async fn an_id_is_taken_once_within_the_window_and_again_after_it(engine: &dyn Engine) {
    let window_ms = engine.dedupe_window_ms();
    let settings = StreamSettings {
        dedupe_window_ms: window_ms,
        ..StreamSettings::default()
    };
    let log = engine.open(settings).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    engine.clock().advance(Duration::from_millis(window_ms - 1));
    let again = log
        .publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    assert_eq!(
        again,
        Published {
            stored: 1,
            duplicates: 1
        }
    );
    // Streams do not know of each other's ids.
    assert_eq!(log.publish("other", &[event(1, "a")]).await.unwrap().stored, 1);
    engine.clock().advance(Duration::from_millis(2));
    // By the log's clock the window is over; by the engine's it will be.
    let patience = tokio::time::timeout(Duration::from_millis(20 * window_ms), async {
        while log.publish(STREAM, &[event(1, "a")]).await.unwrap().stored == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    patience.await.expect("the window ends");
    assert_eq!(everything(&log, "a", 10).await.len(), 3);
}

pub(crate) async fn an_id_twice_in_a_batch_is_taken_once(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let published = log
        .publish(STREAM, &[event(1, "a"), event(1, "b"), event(2, "a")])
        .await
        .unwrap();
    assert_eq!(
        published,
        Published {
            stored: 2,
            duplicates: 1
        }
    );
    assert!(everything(&log, "b", 10).await.is_empty());
}

pub(crate) async fn racing_publishers_of_one_id_store_it_once(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move { log.publish(STREAM, &[event("one", "a")]).await.unwrap().stored })
        })
        .collect();
    let mut stored = 0;
    for racer in racers {
        stored += racer.await.unwrap();
    }
    assert_eq!(stored, 1);
    assert_eq!(everything(&log, "a", 10).await.len(), 1);
}

pub(crate) async fn a_publish_with_an_unknown_outcome_is_settled_by_publishing_again(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let batch = [event(1, "a"), event(2, "a"), event(3, "b")];
    // The caller goes away at some point of the publish: nobody knows what came of it.
    for patience_us in [0, 100, 300, 1_000, 3_000, 10_000] {
        let publish = log.publish(STREAM, &batch);
        let _ = tokio::time::timeout(Duration::from_micros(patience_us), publish).await;
    }
    let settled = log.publish(STREAM, &batch).await.unwrap();
    assert_eq!(settled.stored + settled.duplicates, 3);
    let held: Vec<_> = everything(&log, "a", 10)
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    assert_eq!(held, ["1", "2"]);
    assert_eq!(everything(&log, "b", 10).await.len(), 1);
}

pub(crate) async fn a_start_on_the_same_data_finds_everything(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    let log = engine.restart(log, StreamSettings::default()).await;
    log.publish(STREAM, &[event(2, "a"), event(1, "a")])
        .await
        .unwrap();
    assert_eq!(
        everything(&log, "a", 10).await,
        [(1, "1".to_owned()), (2, "2".to_owned())]
    );
}

pub(crate) async fn reading_pages_through_everything_and_is_not_disturbed_by_publishing(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let publish = |from: u64| {
        let log = log.clone();
        async move {
            let batch: Vec<_> = (from..from + 10).map(|id| event(id, "a")).collect();
            log.publish(STREAM, &batch).await.unwrap();
        }
    };
    publish(0).await;
    let partition = Partition::of("a");
    let (mut seen, mut after) = (Vec::new(), streams::Position::START);
    loop {
        let page = log.read_from(STREAM, partition, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        seen.extend(page.iter().map(|stored| stored.event.id.clone()));
        if seen.len() == 6 {
            publish(10).await;
        }
    }
    let expected: Vec<_> = (0..20).map(|id: u64| id.to_string()).collect();
    assert_eq!(seen, expected);
    assert!(
        log.read_from(STREAM, partition, after, 0)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_publish_wakes_who_waits_on_its_partition_only(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let (here, there) = two_keys();
    let mut waiting = log.wakes(STREAM, Partition::of(here));
    let elsewhere = log.wakes(STREAM, Partition::of(there));
    log.publish(STREAM, &[event(1, here)]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), waiting.changed())
        .await
        .unwrap()
        .unwrap();
    assert!(!elsewhere.has_changed().unwrap());
    // A duplicate is no news.
    log.publish(STREAM, &[event(1, here)]).await.unwrap();
    assert!(!waiting.has_changed().unwrap());
}
