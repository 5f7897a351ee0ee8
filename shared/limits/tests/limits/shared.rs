//! Two gateways over one Redis: the overshoot and its bound. A token an hour, so that what passes is counted and not timed.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use limits::{KeyedLimiter, LimitError, OnLoss, RateLimiter, RedisLimiter, SharedLimiter};
use redis_engine::RedisSettings;
use telemetry::Telemetry;
use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;
use tokio::task::JoinSet;

use crate::contract::{an_hour_each, ask, passes};
use crate::engines::{NAME, OnRedis, keys_max, measured, patient, telemetry};

const BURST: usize = 5;

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(waited.is_ok(), "in vain: {what}");
}

/// One gateway, with a line of its own to Redis.
struct Gateway {
    limiter: Arc<dyn RateLimiter>,
    line: FaultProxy,
    telemetry: Telemetry,
}

impl Gateway {
    async fn new(engine: SocketAddr, redis: &OnRedis, on_loss: OnLoss) -> Self {
        Self::with(engine, redis, on_loss, patient(), keys_max()).await
    }

    async fn with(
        engine: SocketAddr,
        redis: &OnRedis,
        on_loss: OnLoss,
        settings: RedisSettings,
        own_keys: NonZeroUsize,
    ) -> Self {
        let rate = an_hour_each(u32::try_from(BURST).expect("small"));
        let line = FaultProxy::to(engine).await;
        let telemetry = telemetry();
        let process = measured(&redis.url_by(line.address()), settings, telemetry.clone()).await;
        let own = KeyedLimiter::at_rate(rate, own_keys, ManualClock::at(0));
        let shared = RedisLimiter::new(&process, NAME, rate);
        let limiter = Arc::new(SharedLimiter::new(own, shared, on_loss, &telemetry));
        Self {
            limiter,
            line,
            telemetry,
        }
    }

    async fn passes(&self, key: &str, requests: usize) -> usize {
        passes(&self.limiter, key, requests).await
    }

    fn decided_by(&self, by: &str) -> usize {
        self.metric(&format!("rate_limit_decisions_total{{by=\"{by}\"}} "))
    }

    fn metric(&self, series: &str) -> usize {
        let (_, bytes) = self.telemetry.encode(None).expect("metrics");
        let text = String::from_utf8(bytes).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |count| count.parse().expect("a count"))
    }

    async fn lose_redis(&self) {
        self.line.cut();
        let before = self.decided_by("fallback") + self.decided_by("nobody");
        until("the loss is seen", async || {
            let _ = self.limiter.check("scout").await;
            self.decided_by("fallback") + self.decided_by("nobody") > before
        })
        .await;
    }

    /// The scouts' own bucket is used up before long, so each scout has a name of its own.
    async fn find_redis(&self, round: usize) {
        self.line.heal();
        let before = self.decided_by("redis");
        let mut scout = 0;
        until("Redis is back", async || {
            scout += 1;
            let _ = self.limiter.check(&format!("scout {round} {scout}")).await;
            self.decided_by("redis") > before
        })
        .await;
    }
}

async fn two(test: &str, on_loss: OnLoss) -> Option<(OnRedis, Gateway, Gateway)> {
    let engine = engines::address(Kind::Redis, test)?;
    let redis = OnRedis::at(engine, test).await;
    let one = Gateway::new(engine, &redis, on_loss).await;
    let other = Gateway::new(engine, &redis, on_loss).await;
    Some((redis, one, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_two_gateways_together_let_exactly_the_burst_through() {
    let Some((_redis, one, other)) = two("limits_no_overshoot", OnLoss::Local).await else {
        return;
    };
    let mut racing = JoinSet::new();
    for number in 0..BURST * 8 {
        let gateway = if number % 2 == 0 { &one } else { &other };
        let limiter = Arc::clone(&gateway.limiter);
        racing.spawn(async move { ask(&limiter, "acme").await.allowed });
    }
    let passed = racing
        .join_all()
        .await
        .into_iter()
        .filter(|allowed| *allowed)
        .count();
    assert_eq!(passed, BURST);
    assert_eq!(one.decided_by("fallback") + other.decided_by("fallback"), 0);
}

#[tokio::test]
async fn without_redis_each_gateway_counts_for_itself_and_says_so() {
    let Some((_redis, one, other)) = two("limits_bound", OnLoss::Local).await else {
        return;
    };
    one.lose_redis().await;
    other.lose_redis().await;
    assert_eq!(
        (one.passes("acme", 20).await, other.passes("acme", 20).await),
        (BURST, BURST),
        "twice the limit, no more"
    );
    assert!(one.decided_by("fallback") >= BURST && one.decided_by("own") >= 15);
    one.find_redis(0).await;
    assert_eq!(one.passes("globex", 1).await, 1);
    assert!(one.decided_by("redis") > 0, "used again without a restart");
}

#[tokio::test]
async fn what_a_gateway_let_through_before_the_loss_counts_after_it() {
    let Some((_redis, one, other)) = two("limits_before", OnLoss::Local).await else {
        return;
    };
    assert_eq!(one.passes("acme", 20).await, BURST);
    one.lose_redis().await;
    other.lose_redis().await;
    assert_eq!(one.passes("acme", 20).await, 0, "its own bucket counted along");
    assert_eq!(other.passes("acme", 20).await, BURST);
}

#[tokio::test]
async fn what_redis_refuses_takes_nothing_from_a_gateways_own_bucket() {
    let Some((_redis, one, other)) = two("limits_give_back", OnLoss::Local).await else {
        return;
    };
    assert_eq!(one.passes("acme", BURST).await, BURST);
    assert_eq!(other.passes("acme", 20).await, 0);
    other.lose_redis().await;
    assert_eq!(
        other.passes("acme", 20).await,
        BURST,
        "it has let nothing through yet"
    );
}

#[tokio::test]
async fn however_redis_comes_and_goes_no_gateway_exceeds_the_limit() {
    let Some((redis, one, other)) = two("limits_flapping", OnLoss::Local).await else {
        return;
    };
    let mut passed = (0, 0);
    for round in 0..3 {
        passed.0 += one.passes("acme", 3).await;
        passed.1 += other.passes("acme", 3).await;
        one.lose_redis().await;
        passed.0 += one.passes("acme", 3).await;
        redis.wipe().await;
        passed.1 += other.passes("acme", 3).await;
        one.find_redis(round).await;
    }
    assert!(passed.0 <= BURST && passed.1 <= BURST, "{passed:?}");
}

#[tokio::test]
async fn by_choice_nothing_passes_without_redis() {
    let Some((_redis, one, _other)) = two("limits_refuse", OnLoss::Refuse).await else {
        return;
    };
    one.lose_redis().await;
    for _ in 0..20 {
        let error = one.limiter.check("acme").await.expect_err("nobody decides");
        assert!(matches!(error, LimitError::Unavailable(_)), "{error}");
    }
    assert!(one.decided_by("nobody") >= 20);
    one.find_redis(0).await;
    assert_eq!(one.passes("acme", 20).await, BURST, "the refused took nothing");
}

#[tokio::test]
async fn a_stalled_redis_is_left_alone_after_a_few_requests() {
    let Some(engine) = engines::address(Kind::Redis, "limits_stalled") else {
        return;
    };
    let redis = OnRedis::at(engine, "limits_stalled").await;
    let settings = RedisSettings {
        quick_deadline_ms: 100,
        // The stalled connection is kept: only the breaker is in the way.
        probe_timeout_ms: 600_000,
        ..patient()
    };
    let gateway = Gateway::with(engine, &redis, OnLoss::Local, settings, keys_max()).await;
    gateway.line.stall();
    for key in 0..100 {
        assert!(ask(&gateway.limiter, &format!("tenant {key}")).await.allowed);
    }
    assert_eq!(gateway.decided_by("fallback"), 100);
    let skipped = gateway.metric(&format!(
        "db_client_operation_duration_seconds_count{{database=\"{}\",operation=\"take_token\",outcome=\"redis_skipped\"}} ",
        redis.prefix()
    ));
    assert_eq!(skipped, 95, "five were slow, the others did not even ask");
}

#[tokio::test]
async fn a_gateway_without_room_for_a_key_leaves_it_to_redis() {
    let Some(engine) = engines::address(Kind::Redis, "limits_keys_full") else {
        return;
    };
    let redis = OnRedis::at(engine, "limits_keys_full").await;
    let gateway = Gateway::with(engine, &redis, OnLoss::Local, patient(), NonZeroUsize::MIN).await;
    assert_eq!(gateway.passes("first", 1).await, 1);
    assert_eq!(gateway.passes("second", 20).await, BURST);
    gateway.line.cut();
    let third = async || gateway.limiter.check("third").await.expect("decided");
    until("nobody is left to decide", async || third().await.keys_full).await;
    let refused = third().await;
    assert!(!refused.allowed && refused.retry_after.is_some(), "{refused:?}");
}
