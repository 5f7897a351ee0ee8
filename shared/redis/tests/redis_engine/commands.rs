//! While all is well.

use std::collections::BTreeSet;
use std::time::Duration;

use redis_engine::{Effect, RedisError, Script, cmd};
use tokio::task::JoinSet;

use crate::bench::{bench, own, settings, until};

static COUNT: Script = Script::new(
    "count",
    "local n = tonumber(redis.call('GET', KEYS[1]) or '0') + ARGV[1]
     redis.call('SET', KEYS[1], n)
     redis.call('SET', KEYS[2], n)
     return n",
);

#[tokio::test]
async fn values_come_back_as_they_were_set() {
    let Some(bench) = bench("values", settings()).await else {
        return;
    };
    let redis = &bench.redis;
    let key = redis.key("a}{b%", "x:y\n{z}");
    assert_eq!(redis.get(&key).await, Ok(None));
    let bytes: Vec<u8> = (0..=255).collect();
    for value in [&b""[..], b"word", &bytes] {
        redis.set(&key, value, None).await.expect("set");
        assert_eq!(redis.get(&key).await.expect("get").as_deref(), Some(value));
    }
    assert_eq!(redis.del(&key).await, Ok(true));
    assert_eq!(redis.del(&key).await, Ok(false));
    assert_eq!(redis.get(&key).await, Ok(None));
}

#[tokio::test]
async fn the_largest_value_comes_back_whole() {
    let Some(bench) = bench("largest", settings()).await else {
        return;
    };
    let key = bench.key("large");
    let value: Vec<u8> = (0..8_u32 << 20)
        .map(|i| i.to_le_bytes()[(i % 4) as usize])
        .collect();
    bench.redis.set(&key, &value, None).await.expect("set");
    assert!(bench.redis.get(&key).await.expect("get").as_deref() == Some(&value[..]));
    bench.redis.del(&key).await.expect("del");
}

#[tokio::test]
async fn a_key_with_a_time_to_live_goes_by_itself() {
    let Some(bench) = bench("expiry", settings()).await else {
        return;
    };
    let redis = &bench.redis;
    let (brief, later, lasting) = (bench.key("brief"), bench.key("later"), bench.key("lasting"));
    redis
        .set(&brief, b"1", Some(Duration::from_micros(1)))
        .await
        .expect("at least a millisecond");
    redis.set(&later, b"1", None).await.expect("set");
    redis.set(&lasting, b"1", Some(Duration::MAX)).await.expect("set");
    assert_eq!(redis.expire(&later, Duration::from_millis(2)).await, Ok(true));
    for key in [&brief, &later] {
        until("the key is gone", async || redis.get(key).await == Ok(None)).await;
    }
    assert_eq!(redis.expire(&later, Duration::from_secs(1)).await, Ok(false));
    assert!(redis.get(&lasting).await.expect("get").is_some());
}

#[tokio::test]
async fn a_script_runs_as_one_step() {
    let Some(bench) = bench("script", settings()).await else {
        return;
    };
    let mut racing = JoinSet::new();
    for _ in 0..50 {
        let redis = bench.redis.clone();
        racing.spawn(async move {
            let keys = (redis.key("n", "count"), redis.key("n", "copy"));
            redis
                .script(&COUNT)
                .key(&keys.0)
                .key(&keys.1)
                .arg(2_u64)
                .run::<u64>()
                .await
                .expect("counted")
        });
    }
    let seen: BTreeSet<u64> = racing.join_all().await.into_iter().collect();
    assert_eq!(
        seen,
        (1..=50).map(|n| n * 2).collect(),
        "each step saw the one before it"
    );
}

#[tokio::test]
async fn a_server_that_forgot_a_script_gets_it_again() {
    let Some((_engine, bench)) = own("forgot_script", settings()).await else {
        return;
    };
    let redis = &bench.redis;
    let (count, copy) = (bench.key("count"), bench.key("copy"));
    let run = async || {
        redis
            .script(&COUNT)
            .key(&count)
            .key(&copy)
            .arg(1)
            .run::<u64>()
            .await
    };
    assert_eq!((run().await, run().await), (Ok(1), Ok(2)));
    redis
        .query::<()>("flush", Effect::Write, cmd("SCRIPT").arg("FLUSH"))
        .await
        .expect("flushed");
    assert_eq!(run().await, Ok(3));
}

#[tokio::test]
#[should_panic(expected = "is not beside")]
async fn a_script_over_two_nodes_of_a_cluster_is_a_defect() {
    let Some(bench) = bench("beside", settings()).await else {
        panic!("is not beside: skipped")
    };
    let (one, other) = (bench.redis.key("a", "x"), bench.redis.key("b", "x"));
    drop(bench.redis.script(&COUNT).key(&one).key(&other));
}

#[tokio::test]
async fn somebody_elses_key_is_an_unexpected_answer_and_the_connection_lives() {
    let Some(bench) = bench("wrong_type", settings()).await else {
        return;
    };
    let key = bench.key("list");
    let mut push = cmd("RPUSH");
    push.arg(key.as_str()).arg("x");
    bench
        .redis
        .query::<u64>("push", Effect::Write, &push)
        .await
        .expect("pushed");
    let error = bench.redis.get(&key).await.expect_err("not a string");
    assert!(matches!(error, RedisError::Unexpected(_)), "{error}");
    assert!(!error.retryable() && !error.is_unknown());
    let unreadable = bench.redis.query::<u64>("ping", Effect::Read, &cmd("PING")).await;
    assert!(
        matches!(unreadable, Err(RedisError::Unexpected(_))),
        "{unreadable:?}"
    );
    assert_eq!(bench.redis.get(&bench.key("none")).await, Ok(None));
    assert!(bench.metrics().contains(r#"event="made"} 1"#));
}

#[tokio::test]
async fn every_command_is_measured_by_its_name_and_outcome() {
    let Some(bench) = bench("measured", settings()).await else {
        return;
    };
    let (count, copy) = (bench.key("count"), bench.key("copy"));
    bench.redis.set(&count, b"x", None).await.expect("set");
    let call = bench.redis.script(&COUNT).key(&count).key(&copy).arg(1);
    assert!(call.run::<u64>().await.is_err(), "not a number");
    let text = bench.metrics();
    for (operation, outcome) in [("set", "ok"), ("count", "redis_unexpected")] {
        let series = format!(
            r#"db_client_operation_duration_seconds_count{{database="{}",operation="{operation}",outcome="{outcome}"}} 1"#,
            bench.prefix
        );
        assert!(text.contains(&series), "{series} in {text}");
    }
}
