//! On a request's path: brief, and not at all while Redis was too slow a moment ago.

use std::time::Duration;

use redis_engine::{RedisError, RedisSettings};

use crate::bench::{Bench, bench, in_time, settings, until};

/// A stalled connection is kept, so that only the breaker stands between the requests and it.
fn guarded() -> RedisSettings {
    let mut settings = RedisSettings {
        quick_deadline_ms: 100,
        probe_timeout_ms: 600_000,
        ..settings()
    };
    settings.breaker.failures_max = 3;
    settings.breaker.open_ms = 1_000;
    settings
}

async fn ask(bench: &Bench) -> Result<(), RedisError> {
    in_time(bench.redis.quick().get(&bench.key("x")))
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_stalled_redis_costs_a_few_requests_their_deadline_and_the_others_nothing() {
    let Some(bench) = bench("breaker", guarded()).await else {
        return;
    };
    until("all is well", async || ask(&bench).await.is_ok()).await;
    bench.proxy.stall();
    for _ in 0..3 {
        assert_eq!(ask(&bench).await, Err(RedisError::Deadline));
    }
    for _ in 0..100 {
        assert_eq!(ask(&bench).await, Err(RedisError::Skipped), "it is left alone");
    }
    assert!(RedisError::Skipped.retryable());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(
        ask(&bench).await,
        Err(RedisError::Deadline),
        "one is tried after the pause"
    );
    assert_eq!(ask(&bench).await, Err(RedisError::Skipped));

    bench.proxy.heal();
    assert_eq!(
        ask(&bench).await,
        Err(RedisError::Skipped),
        "nobody has tried yet"
    );
    until("a trial succeeded", async || {
        bench.clock.advance(Duration::from_secs(1));
        ask(&bench).await.is_ok()
    })
    .await;
    let text = bench.metrics();
    assert!(
        text.contains(r#"operation="get",outcome="redis_skipped"}"#),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_connection_a_request_does_not_wait_and_the_breaker_stays_closed() {
    let Some(bench) = bench("no_wait", guarded()).await else {
        return;
    };
    bench.proxy.cut();
    for _ in 0..20 {
        until("the loss is seen", async || {
            matches!(ask(&bench).await, Err(RedisError::Unavailable(_)))
        })
        .await;
    }
    bench.proxy.heal();
    until("used again as soon as it is there", async || {
        ask(&bench).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_breaker_is_of_no_concern_to_whoever_has_time() {
    let Some(bench) = bench("has_time", guarded()).await else {
        return;
    };
    bench.proxy.stall();
    for _ in 0..3 {
        assert_eq!(ask(&bench).await, Err(RedisError::Deadline));
    }
    assert_eq!(ask(&bench).await, Err(RedisError::Skipped));
    bench.proxy.heal();
    assert_eq!(bench.redis.get(&bench.key("x")).await, Ok(None));
}
