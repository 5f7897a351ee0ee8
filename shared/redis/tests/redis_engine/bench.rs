//! A Redis to test on, behind a proxy, under a prefix of its own.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::ManualClock;
use redis_engine::{Key, Redis, RedisError, RedisSettings};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind, OwnEngine};
use testkit::proxy::FaultProxy;

/// Nothing here may take longer; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) redis: Redis,
    pub(crate) proxy: FaultProxy,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) telemetry: Telemetry,
    /// What the engine is reached by through the proxy.
    pub(crate) url: String,
    pub(crate) prefix: String,
}

/// Patient: a busy machine is no fault of Redis's.
pub(crate) fn settings() -> RedisSettings {
    RedisSettings {
        connect_timeout_ms: 10_000,
        reconnect_pause_ms_max: 50,
        command_deadline_ms: 10_000,
        quick_deadline_ms: 10_000,
        probe_timeout_ms: 10_000,
        ..RedisSettings::default()
    }
}

/// On the shared engine; `None` when there is none.
pub(crate) async fn bench(test: &str, settings: RedisSettings) -> Option<Bench> {
    Some(before(engines::address(Kind::Redis, test)?, test, settings).await)
}

/// On an engine of the test's own, to be killed or set up otherwise.
pub(crate) async fn own(test: &str, settings: RedisSettings) -> Option<(OwnEngine, Bench)> {
    let engine = OwnEngine::start(Kind::Redis, test).await?;
    let bench = before(engine.address(), test, settings).await;
    Some((engine, bench))
}

async fn before(engine: SocketAddr, test: &str, settings: RedisSettings) -> Bench {
    let proxy = FaultProxy::to(engine).await;
    let prefix = engines::fresh_name(test);
    let url = format!("redis://{}/0?prefix={prefix}", proxy.address());
    let clock = ManualClock::at(1_800_000_000_000);
    let telemetry = telemetry(clock.clone());
    let redis = Redis::connect(&url, settings, telemetry.clone(), clock.clone()).await;
    Bench {
        redis: redis.expect("a Redis"),
        proxy,
        clock,
        telemetry,
        url,
        prefix,
    }
}

impl Bench {
    pub(crate) fn key(&self, rest: &str) -> Key {
        self.redis.key("t", rest)
    }

    /// Another process's handle.
    pub(crate) async fn another(&self, settings: RedisSettings) -> Result<Redis, RedisError> {
        Redis::connect(
            &self.url,
            settings,
            telemetry(self.clock.clone()),
            self.clock.clone(),
        )
        .await
    }

    pub(crate) fn metrics(&self) -> String {
        let (_, bytes) = self.telemetry.encode(None).expect("metrics");
        String::from_utf8(bytes).expect("text")
    }

    /// Waits until Redis answers this handle.
    pub(crate) async fn until_up(&self) {
        until("Redis answers again", async || {
            self.redis.get(&self.key("none")).await.is_ok()
        })
        .await;
    }
}

pub(crate) fn telemetry(clock: Arc<ManualClock>) -> Telemetry {
    Telemetry::new("test", "test", &TelemetrySettings::default(), clock).expect("default settings")
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "in vain: {what}"
    );
}

pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("an answer in time")
}
