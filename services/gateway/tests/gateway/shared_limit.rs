//! Several gateways over one Redis, and what becomes of the limit when it is slow, away, wrong or full.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clock::SystemClock;
use limits::OnLoss;
use redis_engine::{Effect, Redis, RedisSettings, cmd};
use testkit::engines::{self, Kind, OwnEngine};
use testkit::proxy::FaultProxy;

use crate::client::{PATIENCE, Reply, ask, get};
use crate::front::{Front, Plan};
use crate::upstreams;

const BURST: u32 = 5;

/// A busy machine is no fault of Redis's.
fn patient() -> RedisSettings {
    RedisSettings {
        connect_timeout_ms: 10_000,
        reconnect_pause_ms_max: 50,
        quick_deadline_ms: 10_000,
        ..RedisSettings::default()
    }
}

/// One prefix, a line of its own to Redis for each gateway.
struct Bench {
    engine: SocketAddr,
    prefix: String,
    upstream: SocketAddr,
    /// Requests that reached the upstream.
    asked: Arc<AtomicUsize>,
}

impl Bench {
    async fn found(test: &str) -> Option<Self> {
        Some(Self::at(engines::address(Kind::Redis, test)?, test).await)
    }

    async fn at(engine: SocketAddr, test: &str) -> Self {
        let (upstream, asked) = upstreams::counting_echo().await;
        let prefix = engines::fresh_name(test);
        Self {
            engine,
            prefix,
            upstream,
            asked,
        }
    }

    fn url(&self, by: SocketAddr) -> String {
        format!("redis://{by}/0?prefix={}", self.prefix)
    }

    /// A gateway to be, and its line.
    async fn plan(&self) -> (Plan, FaultProxy) {
        let line = FaultProxy::to(self.engine).await;
        let mut plan = Plan::with(self.upstream).await;
        plan.settings.rate_limit.burst = NonZeroU32::new(BURST).expect("not zero");
        plan.settings.rate_limit.refill_per_second = NonZeroU32::MIN;
        plan.settings.rate_limit_url = self.url(line.address());
        plan.settings.redis = patient();
        (plan, line)
    }

    async fn front(&self) -> (Front, FaultProxy) {
        let (plan, line) = self.plan().await;
        (plan.start(), line)
    }

    /// The test's own way to Redis.
    async fn redis(&self) -> Redis {
        let clock = SystemClock::shared();
        let telemetry = telemetry::TelemetrySettings::default();
        let telemetry =
            telemetry::Telemetry::new("test", "test", &telemetry, clock.clone()).expect("defaults");
        let redis = Redis::connect(&self.url(self.engine), patient(), telemetry, clock).await;
        redis.expect("a Redis")
    }
}

async fn one(front: &Front, tenant: &str) -> Reply {
    ask(
        front.addr,
        &["GET /v1/links HTTP/1.1", &front.bearer(tenant)],
        b"",
    )
    .await
}

/// How many of `requests` pass; the others are told that they came too often.
async fn passes(front: &Front, tenant: &str, requests: usize) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        let reply = one(front, tenant).await;
        match reply.status {
            200 => passed += 1,
            429 => assert_eq!(reply.code(), "too_many_requests"),
            _ => panic!("{reply:?}"),
        }
    }
    passed
}

async fn metrics(front: &Front) -> String {
    get(front.admin, "/metrics").await.text()
}

/// Waits until requests of scouts (each a tenant of its own) were decided by `who`.
async fn until_decided_by(front: &Front, who: &str) {
    let series = format!("rate_limit_decisions_total{{by=\"{who}\"}} ");
    let count = async || {
        let text = metrics(front).await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&series).map(str::to_owned));
        line.map_or(0, |count| count.parse::<usize>().expect("a count"))
    };
    let before = count().await;
    let wait = async {
        for scout in 0.. {
            one(front, &format!("scout-{}-{scout}", who.len())).await;
            if count().await > before {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "nothing is decided by {who}");
}

/// Waits until `/readyz` answers 200 and says this of Redis.
async fn until_ready_and(front: &Front, says: impl Fn(&str) -> bool) {
    let wait = async {
        loop {
            let ready = get(front.admin, "/readyz").await;
            if ready.status == 200 && says(&ready.text()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "{:?}", get(front.admin, "/readyz").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_over_one_redis_hold_one_limit() {
    let Some(bench) = Bench::found("gateway_two").await else {
        return;
    };
    let (one_front, _line) = bench.front().await;
    let (other_front, _other_line) = bench.front().await;
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let (mut passed, mut told) = (0, Vec::new());
    for number in 0..20 {
        let front = if number % 2 == 0 { &one_front } else { &other_front };
        let reply = one(front, "acme").await;
        passed += usize::from(reply.status == 200);
        told.push(reply.header("ratelimit").expect("told").to_owned());
    }
    // A token a second has come back meanwhile.
    let allowed =
        BURST as usize + usize::try_from(clock.monotonic().saturating_sub(began).as_secs()).expect("small");
    assert!(
        (BURST as usize..=allowed).contains(&passed),
        "{passed} of {allowed}"
    );
    assert_eq!(
        bench.asked.load(Ordering::SeqCst),
        passed,
        "the upstream is spared the others"
    );
    assert!(
        told[0].starts_with("\"tenant\";r=4;") && told[1].starts_with("\"tenant\";r=3;"),
        "{told:?}"
    );
    assert_eq!(
        one(&one_front, "globex").await.status,
        200,
        "another tenant has its own"
    );
}

#[tokio::test]
async fn without_redis_each_gateway_counts_for_itself_and_stays_ready() {
    let Some(bench) = Bench::found("gateway_lost").await else {
        return;
    };
    let (one_front, line) = bench.front().await;
    let (other_front, other_line) = bench.front().await;
    until_ready_and(&one_front, |text| !text.contains("cannot be reached")).await;
    line.cut();
    other_line.cut();
    until_decided_by(&one_front, "fallback").await;
    until_decided_by(&other_front, "fallback").await;
    let passed = (
        passes(&one_front, "acme", 12).await,
        passes(&other_front, "acme", 12).await,
    );
    assert_eq!(
        passed,
        (BURST as usize, BURST as usize),
        "the limit at each of them, no more"
    );
    until_ready_and(&one_front, |text| text.contains("redis")).await;

    line.heal();
    until_decided_by(&one_front, "redis").await;
    assert_eq!(passes(&one_front, "acme", 1).await, 0, "its own bucket remembers");
    one_front.advance(1_000);
    assert_eq!(
        passes(&one_front, "acme", 1).await,
        1,
        "and gives back what Redis never took"
    );
}

#[tokio::test]
async fn a_stalled_redis_costs_a_few_requests_their_time_and_the_others_nothing() {
    let Some(bench) = Bench::found("gateway_stalled").await else {
        return;
    };
    let (mut plan, line) = bench.plan().await;
    plan.settings.redis.quick_deadline_ms = 50;
    // The stalled connection is kept: only the breaker is in the way.
    plan.settings.redis.probe_timeout_ms = 600_000;
    plan.settings.redis.breaker.failures_max = 3;
    let front = plan.start();
    until_decided_by(&front, "redis").await;
    line.stall();
    for tenant in 0..30 {
        assert_eq!(one(&front, &format!("tenant-{tenant}")).await.status, 200);
    }
    let text = metrics(&front).await;
    let skipped = text.lines().find(|line| {
        line.starts_with("db_client_operation_duration_seconds_count")
            && line.contains("operation=\"take_token\",outcome=\"redis_skipped\"")
    });
    assert!(skipped.is_some_and(|line| line.ends_with(" 27")), "{text}");
}

#[tokio::test]
async fn by_choice_a_tenant_is_refused_while_redis_is_away_and_redirects_go_on() {
    let Some(bench) = Bench::found("gateway_refuse").await else {
        return;
    };
    let (mut plan, line) = bench.plan().await;
    plan.settings.rate_limit_on_loss = OnLoss::Refuse;
    let front = plan.start();
    assert_eq!(passes(&front, "acme", 1).await, 1);
    line.cut();
    until_decided_by(&front, "nobody").await;
    let refused = one(&front, "acme").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "rate_limiter_unavailable")
    );
    assert_eq!(
        (refused.header("retry-after"), refused.header("ratelimit")),
        (Some("1"), None)
    );
    assert_eq!(refused.json()["retryable"], true);
    assert!(
        !refused.text().contains("127.0.0.1"),
        "addresses are the operator's: {}",
        refused.text()
    );
    assert_eq!(get(front.addr, "/code").await.status, 200);
    until_ready_and(&front, |text| text.contains("redis")).await;
    line.heal();
    until_decided_by(&front, "redis").await;
    assert!(passes(&front, "acme", 12).await >= BURST as usize - 1);
}

#[tokio::test]
async fn a_gateway_that_may_count_for_itself_starts_without_redis_and_finds_it_later() {
    let Some(bench) = Bench::found("gateway_start").await else {
        return;
    };
    let (plan, line) = bench.plan().await;
    line.cut();
    let front = plan.start();
    assert_eq!(passes(&front, "acme", 12).await, BURST as usize);
    line.heal();
    until_decided_by(&front, "redis").await;
}

#[tokio::test]
async fn a_gateway_that_may_not_count_for_itself_does_not_start_without_redis() {
    let Some(bench) = Bench::found("gateway_no_start").await else {
        return;
    };
    let (mut plan, line) = bench.plan().await;
    line.cut();
    plan.settings.rate_limit_on_loss = OnLoss::Refuse;
    plan.settings.rate_limit_url = plan.settings.rate_limit_url.replace("redis://", "redis://:hush@");
    let error = plan.refused().await;
    assert_eq!(error.code(), "setting_refused");
    let text = error.to_string();
    assert!(
        text.starts_with("gateway.rate_limit_url: redis cannot be reached") && !text.contains("hush"),
        "{text}"
    );
}

#[tokio::test]
async fn a_spoilt_bucket_is_decided_by_the_gateway_itself() {
    let Some(bench) = Bench::found("gateway_spoilt").await else {
        return;
    };
    let (front, _line) = bench.front().await;
    let redis = bench.redis().await;
    let mut push = cmd("RPUSH");
    push.arg(redis.key("acme", "rate_limit").as_str())
        .arg("no bucket");
    redis
        .query::<u64>("push", Effect::Write, &push)
        .await
        .expect("pushed");
    assert_eq!(passes(&front, "acme", 12).await, BURST as usize);
}

#[tokio::test]
async fn a_full_redis_is_as_good_as_none() {
    let Some(engine) = OwnEngine::start(Kind::Redis, "gateway_full").await else {
        return;
    };
    let bench = Bench::at(engine.address(), "gateway_full").await;
    let redis = bench.redis().await;
    for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1")] {
        let mut set = cmd("CONFIG");
        set.arg("SET").arg(name).arg(value);
        redis
            .query::<()>("config", Effect::Write, &set)
            .await
            .expect("set");
    }
    let (front, _line) = bench.front().await;
    assert_eq!(passes(&front, "acme", 12).await, BURST as usize);
    assert!(
        metrics(&front)
            .await
            .contains("rate_limit_decisions_total{by=\"fallback\"} 5")
    );
    until_ready_and(&front, |text| text.contains("redis is full")).await;
}
