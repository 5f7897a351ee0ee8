//! While the network or the server is not well.

use redis_engine::{Effect, Redis, RedisError, RedisSettings, cmd};

use crate::bench::{bench, in_time, own, settings, telemetry, until};

/// So short that a fault is seen soon, and still long enough for a busy machine to be no fault.
fn hasty() -> RedisSettings {
    RedisSettings {
        command_deadline_ms: 300,
        probe_timeout_ms: 300,
        connect_timeout_ms: 2_000,
        ..settings()
    }
}

#[tokio::test]
async fn an_engine_that_is_away_at_start_is_an_error_without_its_password() {
    let Some(bench) = bench("away", settings()).await else {
        return;
    };
    bench.proxy.cut();
    let url = bench.url.replace("redis://", "redis://:hush@");
    let clock = bench.clock.clone();
    let error = Redis::connect(&url, hasty(), telemetry(clock.clone()), clock)
        .await
        .expect_err("nobody there");
    assert!(
        matches!(error, RedisError::Unavailable(_)) && error.retryable(),
        "{error}"
    );
    assert!(!error.to_string().contains("hush"), "{error}");
    bench.proxy.stall();
    let error = in_time(bench.another(RedisSettings {
        connect_timeout_ms: 50,
        ..hasty()
    }))
    .await;
    assert!(matches!(error, Err(RedisError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn a_handle_that_can_wait_comes_up_with_its_engine() {
    let Some(bench) = bench("later", settings()).await else {
        return;
    };
    bench.proxy.cut();
    let clock = bench.clock.clone();
    let redis = Redis::connecting(&bench.url, settings(), &telemetry(clock.clone()), clock).expect("a URL");
    let key = redis.key("t", "x");
    until("the first attempt failed", async || {
        matches!(redis.get(&key).await, Err(RedisError::Unavailable(_)))
    })
    .await;
    bench.proxy.heal();
    until("Redis is found", async || redis.get(&key).await == Ok(None)).await;
}

#[tokio::test]
async fn a_cut_connection_comes_back_without_a_restart() {
    let Some(bench) = bench("cut", settings()).await else {
        return;
    };
    let key = bench.key("x");
    bench.redis.set(&key, b"before", None).await.expect("set");
    for _ in 0..3 {
        bench.proxy.cut();
        until("the loss is noticed", async || {
            matches!(bench.redis.get(&key).await, Err(RedisError::Unavailable(_)))
        })
        .await;
        let refused = bench
            .redis
            .set(&key, b"lost", None)
            .await
            .expect_err("nothing to send on");
        assert!(refused.retryable() && !refused.is_unknown(), "{refused}");
        bench.proxy.heal();
        bench.until_up().await;
        assert_eq!(
            bench.redis.get(&key).await.expect("back").as_deref(),
            Some(&b"before"[..])
        );
    }
    assert!(
        bench.metrics().contains(r#"event="lost"} 3"#),
        "{}",
        bench.metrics()
    );
}

#[tokio::test]
async fn an_idle_connection_that_was_cut_is_back_before_anybody_asks() {
    let Some(bench) = bench("idle_cut", settings()).await else {
        return;
    };
    bench.proxy.cut();
    until("the loss is noticed", async || {
        bench.metrics().contains(r#"event="lost"} 1"#)
    })
    .await;
    bench.proxy.heal();
    until("it is there again", async || {
        bench.metrics().contains(r#"event="made"} 2"#)
    })
    .await;
    assert_eq!(
        bench.redis.get(&bench.key("x")).await,
        Ok(None),
        "the first to ask sees nothing of it"
    );
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_unknown() {
    let Some(bench) = bench("lost_answer", settings()).await else {
        return;
    };
    let key = bench.key("x");
    bench.proxy.cut_after(b"precious");
    let error = bench
        .redis
        .set(&key, b"precious", None)
        .await
        .expect_err("no answer");
    assert!(error.is_unknown() && !error.retryable(), "{error}");
    bench.proxy.heal();
    bench.until_up().await;
    assert_eq!(
        bench.redis.get(&key).await.expect("get").as_deref(),
        Some(&b"precious"[..]),
        "it was done"
    );

    bench.proxy.cut_before(b"never");
    let error = bench
        .redis
        .set(&key, b"never", None)
        .await
        .expect_err("no answer");
    assert!(
        error.is_unknown(),
        "nobody here can tell that it was not done: {error}"
    );
    bench.proxy.heal();
    bench.until_up().await;
    assert_eq!(
        bench.redis.get(&key).await.expect("get").as_deref(),
        Some(&b"precious"[..])
    );
}

#[tokio::test]
async fn a_stalled_engine_is_an_error_at_the_deadline_and_sound_afterwards() {
    let Some(bench) = bench("stall", hasty()).await else {
        return;
    };
    let key = bench.key("x");
    bench.proxy.stall();
    assert_eq!(in_time(bench.redis.get(&key)).await, Err(RedisError::Deadline));
    assert!(RedisError::Deadline.retryable() && !RedisError::Deadline.is_unknown());
    bench.proxy.heal();
    bench.until_up().await;

    bench.proxy.stall();
    let error = in_time(bench.redis.set(&key, b"late", None))
        .await
        .expect_err("no answer");
    assert!(error.is_unknown() || error.retryable(), "{error}");
    bench.proxy.heal();
    bench.until_up().await;
    bench.redis.set(&key, b"new", None).await.expect("set");
    assert_eq!(
        bench.redis.get(&key).await.expect("get").as_deref(),
        Some(&b"new"[..]),
        "answers are not mixed up"
    );
}

#[tokio::test]
async fn a_connection_that_went_silent_is_replaced_though_nothing_broke_it() {
    let Some(bench) = bench("silent", hasty()).await else {
        return;
    };
    let accepted = bench.proxy.accepted();
    bench.proxy.half_open();
    assert_eq!(
        in_time(bench.redis.get(&bench.key("x"))).await,
        Err(RedisError::Deadline)
    );
    until("another connection is tried", async || {
        bench.proxy.accepted() > accepted
    })
    .await;
    bench.proxy.heal();
    bench.until_up().await;
}

#[tokio::test]
async fn a_slow_and_a_narrow_line_are_only_slow() {
    let Some(bench) = bench("slow", settings()).await else {
        return;
    };
    let key = bench.key("x");
    bench.proxy.slow(std::time::Duration::from_millis(20));
    bench.redis.set(&key, &[7; 1_000], None).await.expect("set");
    bench.proxy.throttle(20_000);
    assert_eq!(
        bench.redis.get(&key).await.expect("get").map(|value| value.len()),
        Some(1_000)
    );
    assert!(
        bench.metrics().contains(r#"event="made"} 1"#),
        "the connection was kept"
    );
}

#[tokio::test]
async fn too_many_commands_in_flight_are_refused_and_nothing_is_done() {
    let narrow = RedisSettings {
        in_flight_max: 1,
        command_deadline_ms: 10_000,
        quick_deadline_ms: 200,
        ..settings()
    };
    let Some(bench) = bench("overload", narrow).await else {
        return;
    };
    let key = bench.key("queue");
    // Blocking commands have no place on a shared connection; here one keeps the only place taken.
    let waiting = tokio::spawn({
        let (redis, mut wait) = (bench.redis.clone(), cmd("BLPOP"));
        wait.arg(key.as_str()).arg(20);
        async move { redis.query::<Vec<String>>("wait", Effect::Read, &wait).await }
    });
    let quick = bench.redis.quick();
    until("the place is taken", async || {
        quick.get(&key).await == Err(RedisError::Overloaded)
    })
    .await;
    assert!(RedisError::Overloaded.retryable());
    let other = bench.another(settings()).await.expect("a handle");
    let mut push = cmd("RPUSH");
    push.arg(key.as_str()).arg("done");
    other
        .query::<u64>("push", Effect::Write, &push)
        .await
        .expect("pushed");
    let waited = in_time(waiting).await.expect("no panic").expect("an element");
    assert_eq!(waited[1], "done");
    assert_eq!(
        bench.redis.get(&bench.key("free")).await,
        Ok(None),
        "the place is free again"
    );
}

#[tokio::test]
async fn a_killed_server_is_used_again_after_its_restart() {
    let Some((mut engine, bench)) = own("killed", hasty()).await else {
        return;
    };
    let key = bench.key("x");
    bench.redis.set(&key, b"1", None).await.expect("set");
    engine.kill();
    until("the loss is noticed", async || {
        bench.redis.get(&key).await.is_err()
    })
    .await;
    engine.restart().await;
    bench.until_up().await;
    assert_eq!(
        bench.redis.get(&key).await,
        Ok(None),
        "a cache: it came back empty"
    );
}

#[tokio::test]
async fn a_closed_handle_refuses_everything() {
    let Some(bench) = bench("closed", settings()).await else {
        return;
    };
    let clone = bench.redis.clone();
    bench.redis.close().await;
    assert_eq!(clone.get(&bench.key("x")).await, Err(RedisError::Closed));
    assert_eq!(clone.quick().probe().await, Err(RedisError::Closed));
    until("the connection is closed", async || bench.proxy.open() == 0).await;
}
