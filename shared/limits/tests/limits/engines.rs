//! Buckets in memory, in Redis, and in Redis with a bucket of the process's own behind each.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use clock::ManualClock;
use limits::{KeyedLimiter, OnLoss, Rate, RateLimiter, RedisLimiter, SharedLimiter};
use redis_engine::{Effect, Redis, RedisSettings, cmd};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};

use crate::contract::Engine;

pub(crate) const NAME: &str = "rate_limit";

pub(crate) fn keys_max() -> NonZeroUsize {
    NonZeroUsize::new(1_000).expect("not zero")
}

pub(crate) fn telemetry() -> Telemetry {
    Telemetry::new(
        "limits",
        "test",
        &TelemetrySettings::default(),
        ManualClock::at(0),
    )
    .expect("default settings")
}

/// One process's map.
pub(crate) struct Memory {
    clock: Arc<ManualClock>,
    limiter: OnceLock<Arc<dyn RateLimiter>>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            clock: ManualClock::at(0),
            limiter: OnceLock::new(),
        }
    }
}

#[async_trait]
impl Engine for Memory {
    async fn limiter(&self, rate: Rate) -> Arc<dyn RateLimiter> {
        let made = || -> Arc<dyn RateLimiter> {
            Arc::new(KeyedLimiter::<String>::at_rate(
                rate,
                keys_max(),
                self.clock.clone(),
            ))
        };
        Arc::clone(self.limiter.get_or_init(made))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

/// A prefix of the test's own on a Redis.
pub(crate) struct OnRedis {
    url: String,
    prefix: String,
    /// Used by the test itself, past every proxy.
    direct: Redis,
}

impl OnRedis {
    /// On the shared engine; `None` when there is none.
    pub(crate) async fn found(test: &str) -> Option<Self> {
        Some(Self::at(engines::address(Kind::Redis, test)?, test).await)
    }

    pub(crate) async fn at(engine: SocketAddr, test: &str) -> Self {
        let prefix = engines::fresh_name(test);
        let url = format!("redis://{engine}/0?prefix={prefix}");
        let direct = connect(&url, patient()).await;
        Self { url, prefix, direct }
    }

    /// The same buckets, reached another way.
    pub(crate) fn url_by(&self, way: SocketAddr) -> String {
        format!("redis://{way}/0?prefix={}", self.prefix)
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn direct(&self) -> &Redis {
        &self.direct
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(&cursor)
                .arg("MATCH")
                .arg(format!("{}:*", self.prefix))
                .arg("COUNT")
                .arg(1_000);
            let (next, keys): (String, Vec<String>) = self
                .direct
                .query("scan", Effect::Read, &scan)
                .await
                .expect("scanned");
            found.extend(keys);
            if next == "0" {
                return found;
            }
            cursor = next;
        }
    }

    /// As if the server had lost its memory, for this test alone.
    pub(crate) async fn wipe(&self) {
        for key in self.keys().await {
            let done = self
                .direct
                .query::<()>("del", Effect::Write, cmd("DEL").arg(key))
                .await;
            done.expect("deleted");
        }
    }

    /// Moves the last pass of every bucket into the past: for Redis's clock there is no hand to move it by.
    pub(crate) async fn pass(&self, time: Duration) {
        for key in self.keys().await {
            let held: Option<String> = self
                .direct
                .query("get", Effect::Read, cmd("GET").arg(&key))
                .await
                .expect("read");
            let Some(held) = held else { continue };
            let (at_us, lacked) = held.split_once(':').expect("a bucket");
            let at_us = at_us
                .parse::<u128>()
                .expect("a time")
                .saturating_sub(time.as_micros());
            let mut set = cmd("SET");
            set.arg(&key).arg(format!("{at_us}:{lacked}")).arg("KEEPTTL");
            self.direct
                .query::<()>("set", Effect::Write, &set)
                .await
                .expect("set");
        }
    }
}

#[async_trait]
impl Engine for OnRedis {
    async fn limiter(&self, rate: Rate) -> Arc<dyn RateLimiter> {
        let process = connect(&self.url, patient()).await;
        Arc::new(RedisLimiter::new(&process, NAME, rate))
    }

    async fn pass(&self, time: Duration) {
        self.pass(time).await;
    }
}

/// Both.
pub(crate) struct Shared {
    redis: OnRedis,
    clock: Arc<ManualClock>,
}

impl Shared {
    pub(crate) async fn found(test: &str) -> Option<Self> {
        Some(Self {
            redis: OnRedis::found(test).await?,
            clock: ManualClock::at(0),
        })
    }
}

#[async_trait]
impl Engine for Shared {
    async fn limiter(&self, rate: Rate) -> Arc<dyn RateLimiter> {
        let process = connect(&self.redis.url, patient()).await;
        let own = KeyedLimiter::at_rate(rate, keys_max(), self.clock.clone());
        let shared = RedisLimiter::new(&process, NAME, rate);
        Arc::new(SharedLimiter::new(own, shared, OnLoss::Refuse, &telemetry()))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.redis.pass(time).await;
    }
}

/// A busy machine is no fault of Redis's.
pub(crate) fn patient() -> RedisSettings {
    RedisSettings {
        connect_timeout_ms: 10_000,
        reconnect_pause_ms_max: 50,
        command_deadline_ms: 10_000,
        quick_deadline_ms: 10_000,
        probe_timeout_ms: 10_000,
        ..RedisSettings::default()
    }
}

pub(crate) async fn connect(url: &str, settings: RedisSettings) -> Redis {
    measured(url, settings, telemetry()).await
}

pub(crate) async fn measured(url: &str, settings: RedisSettings, telemetry: Telemetry) -> Redis {
    let connected = Redis::connect(url, settings, telemetry, ManualClock::at(0)).await;
    connected.expect("a Redis")
}
