//! The shared level in Redis.

use crate::CALM;
use crate::contract::{Engine, LONG, MS, until_heard};
use crate::processes::{Origin, Process};
use crate::two_levels::until;
use async_trait::async_trait;
use cache::{Look, Notice, RedisSharedCache, SharedCache, SharedCacheSettings};
use clock::SystemClock;
use redis_engine::{Effect, Redis, RedisSettings, cmd};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind, OwnEngine};
use testkit::proxy::FaultProxy;
use tokio::time::timeout;

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
}

async fn connect(address: SocketAddr, prefix: &str) -> Redis {
    // The suite races on two cores with all other suites: what it tests is not how soon Redis answers.
    let settings = RedisSettings {
        quick_deadline_ms: 2_000,
        command_deadline_ms: 5_000,
        ..RedisSettings::default()
    };
    connect_with(address, prefix, settings).await
}

async fn connect_with(address: SocketAddr, prefix: &str, settings: RedisSettings) -> Redis {
    let telemetry = Telemetry::new(
        "cache-test",
        "1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    );
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

/// A process that reaches Redis through a proxy, with deadlines as in production.
async fn behind(proxy: &FaultProxy, engine: &RedisEngine, origin: &Arc<Origin>) -> Process {
    let level = RedisSharedCache::new(
        connect_with(proxy.address(), &engine.prefix, RedisSettings::default()).await,
        "links",
    );
    let settings = SharedCacheSettings {
        origin_reads_per_s_min: 1_000_000,
        ..SharedCacheSettings::default()
    };
    Process::with(Arc::new(level.expect("a level")), origin, CALM, settings)
}

/// Reads on until the level answers a look again. The process's clock moves on, so that pauses end.
async fn until_back(process: &Process) {
    let absent = "cache_shared_operations_total{cache=\"links\",operation=\"look\",outcome=\"fill\"} ";
    let before = process.metric(absent);
    let mut round = 0;
    until("the level answers", async || {
        round += 1;
        process.clock.advance(Duration::from_secs(2));
        process
            .read(&format!("back {round}"))
            .await
            .expect("the origin is there");
        process.metric(absent) > before
    })
    .await;
}

/// Reads and writes of two processes, of which one loses Redis by `fault` and gets it back.
async fn lives_without_redis(case: &str, fault: impl Fn(&FaultProxy)) {
    let Some(engine) = RedisEngine::start(case).await else {
        return;
    };
    let origin = Arc::new(Origin::default());
    let proxy = FaultProxy::to(engine.address).await;
    let cut_off = behind(&proxy, &engine, &origin).await;
    let other = Process::new(engine.handle().await, &origin);
    for key in ["k", "kept"] {
        origin.set(key, "old");
        assert_eq!(cut_off.sees(key).await.as_deref(), Some("old"));
    }
    fault(&proxy);
    // A change that it cannot hear of, and reads of what it does and does not hold near.
    other.change("k", "new").await;
    cut_off.clock.advance(Duration::from_millis(900));
    for round in 0..50 {
        assert_eq!(cut_off.sees("k").await.as_deref(), Some("new"));
        assert_eq!(cut_off.sees("kept").await.as_deref(), Some("old"));
        assert_eq!(cut_off.sees(&format!("none {round}")).await, None);
    }
    until("it is noticed", async || {
        cut_off.read("another").await.expect("the origin is there");
        cut_off.metric("cache_shared_up{cache=\"links\"} ") == 0
    })
    .await;
    let refused = cut_off.links.write("k".to_owned()).await;
    assert!(refused.expect_err("a change would not bind others").retryable());

    proxy.heal();
    until_back(&cut_off).await;
    cut_off.change("k", "newer").await;
    other.clock.advance(Duration::from_millis(900));
    assert_eq!(other.sees("k").await.as_deref(), Some("newer"));
    assert_eq!(cut_off.sees("k").await.as_deref(), Some("newer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_cut_off_from_redis_reads_the_origin_refuses_changes_and_comes_back() {
    lives_without_redis("cut", FaultProxy::cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_redis_stalls_reads_the_origin_refuses_changes_and_comes_back() {
    lives_without_redis("stall", FaultProxy::stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_redis_hears_but_does_not_answer_reads_the_origin_and_comes_back() {
    lives_without_redis("half open", FaultProxy::half_open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_redis_is_slow_reads_the_origin_refuses_changes_and_comes_back() {
    lives_without_redis("slow", |proxy| proxy.slow(Duration::from_secs(2))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_redis_has_hardly_any_bandwidth_reads_the_origin_refuses_changes_and_comes_back() {
    lives_without_redis("throttle", |proxy| proxy.throttle(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_cut_off_before_it_could_be_told_is_told_when_redis_is_back() {
    let Some(engine) = RedisEngine::start("cut before the end").await else {
        return;
    };
    let origin = Arc::new(Origin::default());
    let proxy = FaultProxy::to(engine.address).await;
    let writer = behind(&proxy, &engine, &origin).await;
    let level = engine.handle().await;
    origin.set("k", "old");
    let guard = writer.links.write("k".to_owned()).await.expect("begun");
    origin.set("k", "new");
    proxy.cut();
    let error = guard.done().await.expect_err("not told yet");
    assert!(error.retryable());
    assert_eq!(
        level.look("k", LONG).await,
        Ok(Look::Load),
        "nobody may fill it in meanwhile"
    );
    proxy.heal();
    until("told behind", async || {
        writer.clock.advance(Duration::from_secs(2));
        matches!(level.look("k", MS).await, Ok(Look::Fill(_)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_killed_and_started_again_is_filled_again_and_knows_nothing_old() {
    let Some(mut redis) = OwnEngine::start(Kind::Redis, "killed").await else {
        return;
    };
    let prefix = engines::fresh_name("cache");
    let origin = Arc::new(Origin::default());
    let mut processes = Vec::new();
    for _ in 0..2 {
        let redis = connect(redis.address(), &prefix).await;
        let level = RedisSharedCache::new(redis, "links").expect("a level");
        processes.push(Process::new(Arc::new(level), &origin));
    }
    let [writer, reader] = processes.try_into().ok().expect("two");
    origin.set("k", "old");
    assert_eq!(reader.sees("k").await.as_deref(), Some("old"));
    let guard = writer.links.write("k".to_owned()).await.expect("begun");
    redis.kill();
    redis.restart().await;
    reader.clock.advance(Duration::from_secs(2));
    // The reader is first, and fills in what is there before the write.
    until_back(&reader).await;
    reader.sees("k").await;
    origin.set("k", "new");
    until("the writer reaches it", async || {
        writer.clock.advance(Duration::from_secs(2));
        writer.read("any").await.is_ok() && writer.level.probe().await.is_ok()
    })
    .await;
    guard.done().await.expect("told");
    for process in [&writer, &reader] {
        process.clock.advance(Duration::from_secs(2));
        assert_eq!(process.sees("k").await.as_deref(), Some("new"));
    }
    assert_eq!(
        reader.metric("cache_shared_notices_total{cache=\"links\",notice=\"wiped\"} "),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_is_told_as_a_gap_and_stands_again_by_itself() {
    let Some(engine) = RedisEngine::start("gap").await else {
        return;
    };
    let proxy = FaultProxy::to(engine.address).await;
    let level: Arc<dyn SharedCache> = Arc::new(engine.handle_by(proxy.address()).await);
    let writer = engine.handle().await;
    let mut notices = level.notices();
    until_heard(&writer, &mut notices).await;
    let stretch = level.hears().expect("it hears");
    assert_eq!(level.hears(), Some(stretch));
    proxy.cut();
    let gap = async { while notices.recv().await != Ok(Notice::Gap) {} };
    timeout(LONG, gap).await.expect("the gap is told");
    assert_eq!(level.hears(), None, "messages may be missed");
    proxy.heal();
    until_heard(&writer, &mut notices).await;
    let another = level.hears().expect("it hears again");
    assert_ne!(another, stretch, "something may have been missed in between");
}
