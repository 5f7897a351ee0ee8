//! A hot key expires under a thousand readers a second.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache::CacheSettings;
use lab::{Bench, Figure, Lab, LabError, Meter, Report, Service, Waits, count, milliseconds};
use load::{Arrivals, Plan, Summary};

use super::layers::{EachForItself, Layer, OneLoad, PLAIN, Watched, links, router};
use super::origin::{Origin, Shape};

/// The one key that everybody wants.
const HOT: &str = "hot";

const STEP: Duration = Duration::from_millis(100);

pub(super) struct Stampede;

/// How large the experiment is.
struct Size {
    per_second: u32,
    ttl: Duration,
    takes: Duration,
    runs_for: Duration,
}

const FULL: Size = Size {
    per_second: 1_000,
    ttl: Duration::from_secs(2),
    takes: Duration::from_millis(100),
    runs_for: Duration::from_millis(6_500),
};

const BRIEF: Size = Size {
    per_second: 400,
    ttl: Duration::from_millis(600),
    takes: Duration::from_millis(60),
    runs_for: Duration::from_millis(1_600),
};

#[async_trait]
impl Lab for Stampede {
    fn name(&self) -> &'static str {
        "stampede"
    }

    fn about(&self) -> &'static str {
        "a hot key expires under 1,000 readers a second: each for itself, one load, refreshed before its end"
    }

    fn pattern(&self) -> &'static str {
        "stampede protection by single-flight and XFetch"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let size = bench.either(FULL, BRIEF);
        let mut report = Report::new(
            self,
            bench,
            &[
                ("requests", ""),
                ("origin reads", ""),
                ("at once", ""),
                ("readers that waited", ""),
                ("p50", "ms"),
                ("p99", "ms"),
                ("slowest", "ms"),
            ],
        );
        report.setting.push(format!(
            "{} readers a second of one key for {} s; it lives {} s; the origin takes {} ms a read and carries out 16 at once",
            size.per_second,
            size.runs_for.as_secs_f64(),
            size.ttl.as_secs_f64(),
            size.takes.as_millis()
        ));
        let mut lines = Vec::new();
        for arm in ["none", "single-flight", "XFetch"] {
            let (summary, reads, waits) = run_arm(bench, &size, arm).await?;
            Report::offered(arm, &summary)?;
            report.arm(arm, values(&summary, &reads, &waits));
            let steps = size.runs_for.as_millis() / STEP.as_millis();
            lines.push((
                arm.to_owned(),
                reads.steps(usize::try_from(steps).unwrap_or(usize::MAX)),
            ));
        }
        let title = "Reads of the origin while a hot key expires";
        report.figure = Figure::over_time(title, "reads in 100 ms", 100, lines);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

async fn run_arm(bench: &Bench, size: &Size, arm: &'static str) -> Result<(Summary, Meter, Waits), LabError> {
    let shape = Shape {
        seats: 16,
        takes: size.takes,
        step: STEP,
    };
    let origin = Origin::open(bench, arm, shape, &[HOT.to_owned()]).await?;
    let reads = origin.reads.clone();
    let settings = CacheSettings {
        ttl_ms: u64::try_from(size.ttl.as_millis()).unwrap_or(u64::MAX),
        xfetch_beta: if arm == "XFetch" { 1.0 } else { 0.0 },
        ..PLAIN
    };
    let clock = bench.clock.clone();
    let waits = Waits::new(&clock, size.takes / 4);
    let counted = waits.clone();
    let service = Service::start(bench, async move {
        let links = links(&settings, clock);
        let layer: Arc<dyn Layer> = match arm {
            "none" => Arc::new(EachForItself { links, origin }),
            _ => Arc::new(OneLoad { links, origin }),
        };
        // Remembered by one read before the load begins: this is about a key that expires, not about a cold start.
        layer.find(HOT).await.map_err(LabError::while_("warming up"))?;
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
    let deadline = Duration::from_secs(10);
    let summary = service
        .offer(bench, plan, deadline, |_| format!("/{HOT}"))
        .await?;
    Ok((summary, reads, waits))
}

fn values(summary: &Summary, reads: &Meter, waits: &Waits) -> Vec<f64> {
    let latencies = &summary.latencies;
    vec![
        count(summary.succeeded),
        count(reads.calls()),
        count(reads.most_at_once()),
        count(waits.count()),
        milliseconds(latencies.quantile(0.5)),
        milliseconds(latencies.quantile(0.99)),
        milliseconds(latencies.longest()),
    ]
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    format!(
        "Each for itself, up to {} readers at once asked the origin for the same key, {} reads in all; sharing one load that was {} at \
         once and {} in all; XFetch read it {} times, each before its end, and let {} readers wait instead of {}.",
        of("none", "at once"),
        of("none", "origin reads"),
        of("single-flight", "at once"),
        of("single-flight", "origin reads"),
        of("XFetch", "origin reads"),
        of("XFetch", "readers that waited"),
        of("single-flight", "readers that waited"),
    )
}
