//! Many keys that were filled together expire together.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache::CacheSettings;
use lab::{Bench, Figure, Lab, LabError, Meter, Report, Service, Waits, count, milliseconds};
use load::{Arrivals, Plan, Summary, Zipf};

use super::layers::{Layer, OneLoad, PLAIN, Watched, links, router};
use super::origin::{Origin, Shape};

/// Coarse enough that a hiccup of the machine is not mistaken for a wave.
const STEP: Duration = Duration::from_millis(250);

/// How much of the time to live chance takes off, an arm each.
const ARMS: [(&str, f64); 3] = [("no jitter", 0.0), ("10 % jitter", 0.1), ("50 % jitter", 0.5)];

pub(super) struct Avalanche;

/// How large the experiment is.
struct Size {
    per_second: u32,
    keys: usize,
    ttl: Duration,
    runs_for: Duration,
}

const FULL: Size = Size {
    per_second: 1_000,
    keys: 300,
    ttl: Duration::from_secs(3),
    runs_for: Duration::from_millis(6_500),
};

const BRIEF: Size = Size {
    per_second: 600,
    keys: 100,
    ttl: Duration::from_millis(1_400),
    runs_for: Duration::from_millis(2_200),
};

#[async_trait]
impl Lab for Avalanche {
    fn name(&self) -> &'static str {
        "avalanche"
    }

    fn about(&self) -> &'static str {
        "keys that were filled together expire together: times to live with and without jitter"
    }

    fn pattern(&self) -> &'static str {
        "cache-aside with TTL jitter"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let size = bench.either(FULL, BRIEF);
        let columns = [
            ("requests", ""),
            ("origin reads", ""),
            ("most in 250 ms", ""),
            ("at once", ""),
            ("readers that waited 60 ms", ""),
            ("p99", "ms"),
            ("slowest", "ms"),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{} readers a second of {} keys alike for {} s, all of them filled at the start to live {} s; the origin takes 20 ms a read and \
             carries out 8 at once; a key is loaded once however many want it",
            size.per_second,
            size.keys,
            size.runs_for.as_secs_f64(),
            size.ttl.as_secs_f64()
        ));
        let steps = usize::try_from(size.runs_for.as_millis() / STEP.as_millis()).unwrap_or(usize::MAX);
        let mut lines = Vec::new();
        for (arm, jitter) in ARMS {
            let (summary, reads, waits) = run_arm(bench, &size, arm, jitter).await?;
            Report::offered(arm, &summary)?;
            report.arm(arm, values(&summary, &reads, &waits));
            lines.push((arm.to_owned(), reads.steps(steps)));
        }
        report.figure = Figure::over_time(
            "Reads of the origin after all keys were filled together",
            "reads in 250 ms",
            250,
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
    jitter: f64,
) -> Result<(Summary, Meter, Waits), LabError> {
    let shape = Shape {
        seats: 8,
        takes: Duration::from_millis(20),
        step: STEP,
    };
    let codes: Vec<String> = (0..size.keys).map(|key| format!("link-{key}")).collect();
    let origin = Origin::open(bench, arm, shape, &codes).await?;
    let reads = origin.reads.clone();
    let settings = CacheSettings {
        ttl_ms: u64::try_from(size.ttl.as_millis()).unwrap_or(u64::MAX),
        ttl_jitter: jitter,
        ..PLAIN
    };
    let (clock, warm) = (bench.clock.clone(), codes.clone());
    // Three times what a read takes that need not stand in line.
    let waits = Waits::new(&clock, Duration::from_millis(60));
    let counted = waits.clone();
    let service = Service::start(bench, async move {
        let links = links(&settings, clock);
        // A deploy that warms its cache: everything is put in at the same moment.
        for code in warm {
            let (ticket, url) = (
                links.ticket(&code),
                Arc::from(format!("https://example.com/{code}")),
            );
            links.put(ticket, code, url);
        }
        let layer: Arc<dyn Layer> = Arc::new(OneLoad { links, origin });
        Ok(router(Arc::new(Watched {
            layer,
            waits: counted,
        })))
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
    let (alike, seed) = (Zipf::new(size.keys, 0.0), bench.seed);
    let path = move |arrival: load::Arrival| format!("/{}", codes[alike.at(seed, arrival.index)]);
    let summary = service.offer(bench, plan, Duration::from_secs(10), path).await?;
    Ok((summary, reads, waits))
}

fn values(summary: &Summary, reads: &Meter, waits: &Waits) -> Vec<f64> {
    vec![
        count(summary.succeeded),
        count(reads.calls()),
        count(reads.most_in_a_step()),
        count(reads.most_at_once()),
        count(waits.count()),
        milliseconds(summary.latencies.quantile(0.99)),
        milliseconds(summary.latencies.longest()),
    ]
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    format!(
        "Without jitter up to {} of the keys were read from the origin within 250 ms, {} of them at once; with half of the time to live left \
         to chance it was {} and {}, for {} reads in all instead of {}.",
        of("no jitter", "most in 250 ms"),
        of("no jitter", "at once"),
        of("50 % jitter", "most in 250 ms"),
        of("50 % jitter", "at once"),
        of("50 % jitter", "origin reads"),
        of("no jitter", "origin reads"),
    )
}
