//! One key that everybody wants stands on one node of the shared cache.

mod counted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache::{
    Cache, CacheMetrics, CacheSettings, Codec, Look, MemorySharedCache, RedisSharedCache, Shared,
    SharedCache, SharedCacheSettings,
};
use clock::SharedClock;
use lab::{Bench, Figure, Lab, LabError, Report, Service, count, milliseconds};
use load::{Arrivals, Plan, Summary, Zipf};
use redis_engine::{Redis, RedisSettings};
use telemetry::Telemetry;

use self::counted::{Asked, Counted};
use super::layers::{Layer, Links, router};
use super::origin::{Origin, Shape};

const SHARED_ONLY: &str = "shared level only";
const NEAR_SMALL: &str = "near cache, 50 links";
const NEAR_ALL: &str = "near cache, all links";

pub(super) struct HotKey;

/// How large the experiment is.
struct Size {
    per_second: u32,
    keys: usize,
    runs_for: Duration,
}

const FULL: Size = Size {
    per_second: 600,
    keys: 2_000,
    runs_for: Duration::from_secs(6),
};

const BRIEF: Size = Size {
    per_second: 400,
    keys: 500,
    runs_for: Duration::from_millis(1_500),
};

#[async_trait]
impl Lab for HotKey {
    fn name(&self) -> &'static str {
        "hot-key"
    }

    fn about(&self) -> &'static str {
        "one key takes a quarter of all requests: the shared cache alone, and with a near cache before it"
    }

    fn pattern(&self) -> &'static str {
        "a near cache in front of the shared one"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let size = bench.either(FULL, BRIEF);
        let zipf = Zipf::new(size.keys, 1.2);
        let columns = [
            ("requests", ""),
            ("shared level asked", ""),
            ("for the hottest key", ""),
            ("most in 100 ms", ""),
            ("origin reads", ""),
            ("p50", "ms"),
            ("p99", "ms"),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{} readers a second of {} links (Zipf 1.2: the hottest takes {:.0} %) for {} s; near for 0.9 s, shared for 60 s",
            size.per_second,
            size.keys,
            100.0 * zipf.share_of_hottest(1),
            size.runs_for.as_secs_f64()
        ));
        report.setting.push(match &bench.redis {
            Some(_) => "the shared level is a Redis".to_owned(),
            None => "no Redis was named and none is listed: a map in this process, answering after 1 ms, stands in for it".to_owned(),
        });
        let steps = usize::try_from(size.runs_for.as_millis() / 100).unwrap_or(usize::MAX);
        let mut lines = Vec::new();
        for (at, arm) in [SHARED_ONLY, NEAR_SMALL, NEAR_ALL].into_iter().enumerate() {
            let (summary, asked, reads) = run_arm(bench, &size, arm, at, &zipf).await?;
            Report::offered(arm, &summary)?;
            report.arm(
                arm,
                vec![
                    count(summary.succeeded),
                    count(asked.all.calls()),
                    count(asked.of_hottest.calls()),
                    count(asked.of_hottest.most_in_a_step()),
                    count(reads),
                    milliseconds(summary.latencies.quantile(0.5)),
                    milliseconds(summary.latencies.quantile(0.99)),
                ],
            );
            lines.push((arm.to_owned(), asked.of_hottest.steps(steps)));
        }
        report.figure = Figure::over_time(
            "How often the shared level is asked for the hottest key",
            "looks in 100 ms",
            100,
            lines,
        );
        report.sentence = sentence(&report);
        Ok(report)
    }
}

async fn run_arm(
    bench: &Bench,
    size: &Size,
    arm: &'static str,
    at: usize,
    zipf: &Zipf,
) -> Result<(Summary, Asked, u64), LabError> {
    let shape = Shape {
        seats: 16,
        takes: Duration::from_millis(5),
        step: Duration::from_millis(100),
    };
    let codes: Vec<String> = (0..size.keys).map(|key| format!("link-{key}")).collect();
    let origin = Origin::open(bench, &format!("hot-key-{at}"), shape, &codes).await?;
    let reads = origin.reads.clone();
    let asked = Asked::new(bench, &codes[0]);
    let (clock, telemetry, redis) = (bench.clock.clone(), bench.telemetry.clone(), bench.redis.clone());
    let counted = asked.clone();
    let service = Service::start(bench, async move {
        let level = level(redis.as_deref(), telemetry, &clock).await?;
        let level: Arc<dyn SharedCache> = Arc::new(Counted {
            level,
            asked: counted,
        });
        Ok(router(layer(arm, level, origin, clock)))
    })
    .await?;
    reads.reset();
    let plan = Plan {
        arrivals: Arrivals::Poisson {
            per_second: f64::from(size.per_second),
        },
        seed: bench.seed,
        duration: size.runs_for,
        in_flight_max: 400,
        ..Plan::default()
    };
    let (zipf, seed) = (zipf.clone(), bench.seed);
    let path = move |arrival: load::Arrival| format!("/{}", codes[zipf.at(seed, arrival.index)]);
    let summary = service.offer(bench, plan, Duration::from_secs(10), path).await?;
    Ok((summary, asked, reads.calls()))
}

/// A level that no other run uses: in Redis by its name, whose keys end by themselves within a minute.
async fn level(
    redis: Option<&str>,
    telemetry: Telemetry,
    clock: &SharedClock,
) -> Result<Arc<dyn SharedCache>, LabError> {
    let Some(url) = redis else {
        return Ok(Arc::new(MemorySharedCache::new(100_000, clock.clone())));
    };
    // The lab is about how often it is asked, not about how soon it answers on a busy machine.
    let settings = RedisSettings {
        quick_deadline_ms: 1_000,
        ..RedisSettings::default()
    };
    let redis = Redis::connect(url, settings, telemetry, clock.clone())
        .await
        .map_err(LabError::while_("connecting to Redis"))?;
    let name = format!("lab-{:016x}", rand::random::<u64>());
    let level =
        RedisSharedCache::new(redis, &name).map_err(LabError::while_("using Redis as shared level"))?;
    Ok(Arc::new(level))
}

fn layer(arm: &str, level: Arc<dyn SharedCache>, origin: Arc<Origin>, clock: SharedClock) -> Arc<dyn Layer> {
    if arm == SHARED_ONLY {
        return Arc::new(SharedAlone { level, origin });
    }
    let settings = CacheSettings {
        capacity: if arm == NEAR_SMALL { 50 } else { 100_000 },
        ..CacheSettings::default()
    };
    let shared = Shared {
        level,
        settings: SharedCacheSettings {
            read_timeout_ms: 1_000,
            ..SharedCacheSettings::default()
        },
        codec: CODEC,
    };
    let links: Links = Cache::with_shared("lab", &settings, shared, clock, &CacheMetrics::default());
    Arc::new(super::layers::OneLoad { links, origin })
}

const CODEC: Codec<String, Arc<str>> = Codec {
    key: String::clone,
    parse_key: |text| Some(text.to_owned()),
    encode: |url| Bytes::copy_from_slice(url.as_bytes()),
    decode: |bytes| std::str::from_utf8(bytes).ok().map(Arc::from),
};

/// Every request asks the shared level.
struct SharedAlone {
    level: Arc<dyn SharedCache>,
    origin: Arc<Origin>,
}

#[async_trait]
impl Layer for SharedAlone {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        let look = self.level.look(code, Duration::from_secs(3)).await;
        let lease = match look.map_err(|error| error.to_string())? {
            Look::Hit(bytes) => return Ok((CODEC.decode)(&bytes)),
            Look::Absent => return Ok(None),
            Look::Fill(lease) => Some(lease),
            Look::Load => None,
        };
        let url = self.origin.read(code).await?;
        if let Some(lease) = lease {
            let value = url.as_ref().map(CODEC.encode);
            let filled = self.level.fill(code, lease, value, Duration::from_mins(1));
            filled.await.map_err(|error| error.to_string())?;
        }
        Ok(url)
    }
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    let (alone, near) = (
        of(SHARED_ONLY, "for the hottest key"),
        of(NEAR_SMALL, "for the hottest key"),
    );
    format!(
        "The shared level was asked for the hottest key {alone} times; a near cache of 50 links made that {near}, {:.0} times fewer, and left it {} \
         of {} requests in all.",
        alone / near.max(1.0),
        of(NEAR_SMALL, "shared level asked"),
        of(NEAR_SMALL, "requests"),
    )
}
