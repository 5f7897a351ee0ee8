//! The probe, and what a server refuses.

use redis_engine::{Cmd, Effect, RedisError, RedisSettings};

use crate::bench::{Bench, bench, in_time, own, settings, until};

async fn tell(bench: &Bench, words: &[&str]) {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    bench
        .redis
        .query::<()>("tell", Effect::Write, &command)
        .await
        .expect("done");
}

#[tokio::test]
async fn a_redis_that_takes_writes_is_healthy_and_a_lost_one_is_not_until_it_is_back() {
    let settings = RedisSettings {
        probe_timeout_ms: 300,
        ..settings()
    };
    let Some(bench) = bench("probe", settings).await else {
        return;
    };
    until("healthy", async || bench.redis.probe().await.is_ok()).await;
    for fault in ["cut", "stall", "half_open"] {
        match fault {
            "cut" => bench.proxy.cut(),
            "stall" => bench.proxy.stall(),
            _ => bench.proxy.half_open(),
        }
        let error = in_time(bench.redis.probe()).await.expect_err(fault);
        assert!(error.retryable(), "{fault}: {error}");
        bench.proxy.heal();
        until("healthy again", async || bench.redis.probe().await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_frozen_server_is_not_healthy() {
    let settings = RedisSettings {
        probe_timeout_ms: 300,
        ..settings()
    };
    let Some((engine, bench)) = own("frozen", settings).await else {
        return;
    };
    engine.pause();
    assert!(in_time(bench.redis.probe()).await.is_err());
    engine.resume();
    until("healthy again", async || bench.redis.probe().await.is_ok()).await;
}

#[tokio::test]
async fn a_replica_can_be_read_and_is_not_healthy() {
    let Some((_engine, bench)) = own("replica", settings()).await else {
        return;
    };
    tell(&bench, &["CONFIG", "SET", "replica-serve-stale-data", "yes"]).await;
    tell(&bench, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let key = bench.key("x");
    let error = bench.redis.set(&key, b"1", None).await.expect_err("a replica");
    assert!(
        matches!(error, RedisError::ReadOnly(_)) && error.retryable(),
        "{error}"
    );
    assert!(matches!(bench.redis.probe().await, Err(RedisError::ReadOnly(_))));
    assert_eq!(bench.redis.get(&key).await, Ok(None));
    tell(&bench, &["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(bench.redis.probe().await, Ok(()));
}

#[tokio::test]
async fn a_full_redis_refuses_writes_and_says_so() {
    let Some((_engine, bench)) = own("full", settings()).await else {
        return;
    };
    tell(&bench, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    tell(&bench, &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(
        bench.redis.set(&bench.key("x"), b"1", None).await,
        Err(RedisError::Full)
    );
    assert_eq!(bench.redis.probe().await, Err(RedisError::Full));
    assert!(RedisError::Full.retryable() && !RedisError::Full.is_unknown());
    tell(&bench, &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(bench.redis.probe().await, Ok(()));
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_and_the_right_one_is_taken() {
    let Some((_engine, mut bench)) = own("password", settings()).await else {
        return;
    };
    tell(&bench, &["CONFIG", "SET", "requirepass", "p@ss/word"]).await;
    let plain = bench.url.clone();
    for (password, taken) in [("", false), (":wr%6Fng@", false), (":p%40ss%2Fword@", true)] {
        bench.url = plain.replace("redis://", &format!("redis://{password}"));
        match bench.another(settings()).await {
            Ok(redis) => {
                assert!(taken, "{password}");
                assert_eq!(redis.probe().await, Ok(()));
            }
            Err(error) => {
                assert!(
                    !taken && matches!(error, RedisError::Denied(_)),
                    "{password}: {error}"
                );
                assert!(
                    !error.retryable() && !error.to_string().contains("wrong@"),
                    "{error}"
                );
            }
        }
    }
}
