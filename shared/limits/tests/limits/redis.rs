//! What only buckets in Redis have: they expire, and they can be lost or spoilt.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use limits::{LimitError, Rate, RateLimiter, RedisLimiter};
use redis_engine::{Effect, RedisError, cmd};
use testkit::engines::Kind;
use testkit::proxy::FaultProxy;

use crate::contract::{Engine, HOUR, an_hour_each, ask, passes};
use crate::engines::{NAME, OnRedis, connect, patient};

#[tokio::test]
async fn a_bucket_is_forgotten_when_it_is_full_and_not_before() {
    let Some(engine) = OnRedis::found("limits_expiry").await else {
        return;
    };
    let slow = engine.limiter(an_hour_each(3)).await;
    assert_eq!(passes(&slow, "slow", 2).await, 2);
    let key = engine.direct().key("slow", NAME);
    let left_ms: u64 = engine
        .direct()
        .query("pttl", Effect::Read, cmd("PTTL").arg(key.as_str()))
        .await
        .expect("read");
    assert!(
        left_ms <= 7_200_000 && left_ms > 6_900_000,
        "two hours until it is full: {left_ms}"
    );

    let fast = engine
        .limiter(Rate::new(
            NonZeroU32::MIN,
            NonZeroU32::new(1_000).expect("not zero"),
        ))
        .await;
    assert!(ask(&fast, "fast").await.allowed);
    let key = engine.direct().key("fast", NAME);
    crate::shared::until("the key is gone", async || {
        engine.direct().get(&key).await == Ok(None)
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_goes_back_gives_nothing_back() {
    let Some(engine) = OnRedis::found("limits_clock").await else {
        return;
    };
    let limiter = engine.limiter(an_hour_each(1)).await;
    assert!(ask(&limiter, "acme").await.allowed);
    let key = engine.direct().key("acme", NAME);
    // The last pass is an hour ahead of the server's clock: it was set back by an hour.
    let held = engine.direct().get(&key).await.expect("read").expect("a bucket");
    let held = std::str::from_utf8(&held).expect("digits");
    let (at_us, lacked) = held.split_once(':').expect("two numbers");
    let ahead = at_us.parse::<u64>().expect("a time") + 3_600_000_000;
    engine
        .direct()
        .set(&key, format!("{ahead}:{lacked}").as_bytes(), None)
        .await
        .expect("set");
    let refused = ask(&limiter, "acme").await;
    assert!(!refused.allowed, "{refused:?}");
    assert!(
        refused
            .retry_after
            .is_some_and(|wait| wait <= Duration::from_hours(1)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_clock_that_goes_back_is_not_waited_for() {
    let Some(engine) = OnRedis::found("limits_clock_back").await else {
        return;
    };
    let limiter = engine.limiter(an_hour_each(2)).await;
    assert_eq!(passes(&limiter, "acme", 2).await, 2);
    let key = engine.direct().key("acme", NAME);
    // The last pass is three hours ahead of the server's clock: it was set back by three hours.
    let held = engine.direct().get(&key).await.expect("read").expect("a bucket");
    let held = std::str::from_utf8(&held).expect("digits");
    let (at_us, lacked) = held.split_once(':').expect("two numbers");
    let ahead = at_us.parse::<u64>().expect("a time") + 3 * 3_600_000_000;
    engine
        .direct()
        .set(&key, format!("{ahead}:{lacked}").as_bytes(), Some(5 * HOUR))
        .await
        .expect("set");
    let refused = ask(&limiter, "acme").await;
    assert!(!refused.allowed, "{refused:?}");
    let left_ms: i64 = engine
        .direct()
        .query("pttl", Effect::Read, cmd("PTTL").arg(key.as_str()))
        .await
        .expect("read");
    assert!(
        (6_900_000..=7_200_000).contains(&left_ms),
        "two hours until it is full, as its word to the client says: {left_ms}"
    );
    for hour in 1..=3 {
        engine.pass(HOUR).await;
        assert_eq!(passes(&limiter, "acme", 3).await, 1, "in hour {hour}");
    }
}

#[tokio::test]
async fn what_is_no_bucket_is_a_full_one_or_an_error() {
    let Some(engine) = OnRedis::found("limits_spoilt").await else {
        return;
    };
    let limiter = engine.limiter(an_hour_each(2)).await;
    let key = engine.direct().key("acme", NAME);
    engine.direct().set(&key, b"rubbish", None).await.expect("set");
    assert_eq!(passes(&limiter, "acme", 5).await, 2);
    let list = engine.direct().key("globex", NAME);
    let mut push = cmd("RPUSH");
    push.arg(list.as_str()).arg("x");
    engine
        .direct()
        .query::<u64>("push", Effect::Write, &push)
        .await
        .expect("pushed");
    let error = limiter.check("globex").await.expect_err("a list");
    assert!(
        matches!(error, LimitError::Unavailable(RedisError::Unexpected(_))),
        "{error}"
    );
}

#[tokio::test]
async fn a_wiped_redis_means_full_buckets() {
    let Some(engine) = OnRedis::found("limits_wiped").await else {
        return;
    };
    let limiter = engine.limiter(an_hour_each(2)).await;
    assert_eq!(passes(&limiter, "acme", 5).await, 2);
    engine.wipe().await;
    assert_eq!(passes(&limiter, "acme", 5).await, 2);
}

#[tokio::test]
async fn an_engine_that_is_lost_is_an_error_and_its_buckets_are_there_when_it_is_back() {
    let Some(address) = testkit::engines::address(Kind::Redis, "limits_lost") else {
        return;
    };
    let engine = OnRedis::at(address, "limits_lost").await;
    let proxy = FaultProxy::to(address).await;
    let redis = connect(&engine.url_by(proxy.address()), patient()).await;
    let limiter: Arc<dyn RateLimiter> = Arc::new(RedisLimiter::new(&redis, NAME, an_hour_each(3)));
    assert_eq!(passes(&limiter, "acme", 2).await, 2);
    proxy.cut();
    crate::shared::until("the loss is seen", async || limiter.check("acme").await.is_err()).await;
    let error = limiter.check("acme").await.expect_err("nobody to ask");
    assert_eq!(
        (error.code(), error.retryable(), error.is_unknown()),
        ("rate_limiter_unavailable", true, false)
    );
    proxy.heal();
    crate::shared::until("it is back", async || limiter.check("other").await.is_ok()).await;
    assert!(
        passes(&limiter, "acme", 5).await <= 1,
        "what was taken before is not given again"
    );
}
