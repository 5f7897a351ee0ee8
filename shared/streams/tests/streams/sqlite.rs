//! What only this engine promises.

use std::sync::Arc;

use sql::SqliteSettings;
use streams::{SqliteStreamLog, StreamError, StreamLog, StreamSettings};

use crate::contract::{Engine as _, STREAM, claim_of, event, group, ids};
use crate::{SqliteEngine, telemetry};

#[expect(clippy::unused_async, reason = "as the suite asks for an engine")]
async fn engine(_test: &str) -> Option<SqliteEngine> {
    Some(SqliteEngine::new())
}

contract_suite!(engine);

#[tokio::test]
async fn the_metrics_tell_depth_lag_deliveries_and_dead_letters() {
    let engine = SqliteEngine::new();
    let telemetry = telemetry();
    let log = engine
        .open_with(StreamSettings::default(), telemetry.clone())
        .await;
    let log: Arc<dyn StreamLog> = Arc::new(log);
    log.publish(STREAM, &[event(1, "a"), event(2, "a"), event(1, "a")])
        .await
        .unwrap();
    log.publish(STREAM, &[event("", "a")]).await.unwrap_err();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 1).await.unwrap();
    log.dead_letter(&claim, &delivered[0], "why").await.unwrap();
    log.lag(STREAM).await.unwrap();

    let (_, text) = telemetry.encode(None).unwrap();
    let text = String::from_utf8(text).unwrap();
    let name = group().name;
    for expected in [
        r#"stream_depth{stream="clicks"} 2"#.to_owned(),
        format!(r#"stream_lag{{stream="clicks",group="{name}"}} 1"#),
        format!(r#"stream_deliveries_total{{stream="clicks",group="{name}"}} 1"#),
        format!(r#"stream_dead_letters_total{{stream="clicks",group="{name}"}} 1"#),
        r#"stream_dead_letters_waiting{stream="clicks"} 1"#.to_owned(),
        r#"stream_published_events_total{stream="clicks",outcome="stored"} 2"#.to_owned(),
        r#"stream_published_events_total{stream="clicks",outcome="duplicate"} 1"#.to_owned(),
        r#"stream_published_events_total{stream="clicks",outcome="stream_event_invalid"} 1"#.to_owned(),
        r#"stream_publish_duration_seconds_count{stream="clicks"} 2"#.to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_file_moved_away_is_noticed_and_nothing_more_is_taken() {
    let engine = SqliteEngine::new();
    let log = engine.open_with(StreamSettings::default(), telemetry()).await;
    std::fs::rename(engine.path(), engine.folder.path().join("aside.db")).unwrap();
    assert!(log.probe().await.is_err());
    let refused = log.publish(STREAM, &[event(1, "a")]).await.unwrap_err();
    assert_eq!((refused.code(), refused.retryable()), ("sql_file_lost", true));
    assert!(matches!(refused, StreamError::Engine(_)));
}

#[tokio::test]
async fn the_file_verifies_after_use() {
    let engine = SqliteEngine::new();
    let log = engine.open_with(StreamSettings::default(), telemetry()).await;
    log.publish(STREAM, &[event(1, "a")]).await.unwrap();
    log.sql().verify().await.unwrap();
    assert!(
        log.sql()
            .pending(SqliteStreamLog::migrations())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_look_from_beside_ends_no_claim_and_a_replay_from_there_reaches_the_consumer() {
    let engine = SqliteEngine::new();
    let consumer: Arc<dyn StreamLog> = engine.open(StreamSettings::default()).await;
    consumer
        .publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&consumer, "me", "a").await;
    let delivered = consumer.next(&claim, None, 2).await.unwrap();
    consumer.dead_letter(&claim, &delivered[0], "why").await.unwrap();

    let beside = SqliteStreamLog::attach(
        engine.path(),
        SqliteSettings::default(),
        StreamSettings::default(),
        telemetry(),
        engine.clock.clone(),
    )
    .await
    .unwrap();
    let letters = beside.dead_letters(STREAM, 0, 10).await.unwrap();
    assert_eq!(letters.items.len(), 1);
    assert!(
        beside.claim(&group(), "stranger").await.unwrap().is_empty(),
        "every partition has its holder still"
    );
    beside.replay(letters.items[0].id).await.unwrap();

    // Under the claim from before: the rest, and the replayed event behind it.
    let rest = consumer.next(&claim, None, 2).await.unwrap();
    assert_eq!(ids(&rest), ["2", "1"]);
}
