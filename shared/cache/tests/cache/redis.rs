//! The shared level in Redis.

use crate::contract::Engine;
use async_trait::async_trait;
use cache::{RedisSharedCache, SharedCache};
use clock::SystemClock;
use redis_engine::{Effect, Redis, RedisSettings, cmd};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};

/// A prefix of its own in the Redis that all tests share.
pub(crate) struct RedisEngine {
    prefix: String,
    direct: Redis,
    address: SocketAddr,
}

impl RedisEngine {
    pub(crate) async fn start(case: &str) -> Option<Self> {
        let address = engines::address(Kind::Redis, case)?;
        let prefix = engines::fresh_name("cache");
        let direct = connect(address, &prefix).await;
        Some(Self {
            prefix,
            direct,
            address,
        })
    }

    /// A handle that reaches Redis by another way.
    pub(crate) async fn handle_by(&self, address: SocketAddr) -> RedisSharedCache {
        RedisSharedCache::new(connect(address, &self.prefix).await, "links").expect("a level")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

pub(crate) async fn connect(address: SocketAddr, prefix: &str) -> Redis {
    let telemetry = Telemetry::new(
        "cache-test",
        "1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    );
    // The suite races on two cores with all other suites: what it tests is not how soon Redis answers.
    let settings = RedisSettings {
        quick_deadline_ms: 2_000,
        command_deadline_ms: 5_000,
        ..RedisSettings::default()
    };
    Redis::connect(
        &format!("redis://{address}/0?prefix={prefix}"),
        settings,
        telemetry.expect("telemetry"),
        SystemClock::shared(),
    )
    .await
    .expect("redis is there")
}

#[async_trait]
impl Engine for RedisEngine {
    async fn handle(&self) -> Arc<dyn SharedCache> {
        Arc::new(self.handle_by(self.address).await)
    }

    async fn wipe(&self) {
        let script =
            "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 1";
        let mut wipe = cmd("EVAL");
        wipe.arg(script).arg(0).arg(format!("{}:*", self.prefix));
        let wiped: u8 = self
            .direct
            .query("wipe", Effect::Write, &wipe)
            .await
            .expect("wiped");
        assert_eq!(wiped, 1);
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

contract_suite!(RedisEngine::start);
two_level_suite!(RedisEngine::start);
