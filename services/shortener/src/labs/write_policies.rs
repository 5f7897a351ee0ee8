//! When a write is acknowledged, and what the cache has to do with it.

mod clients;
mod policies;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use lab::{Bench, Figure, Lab, LabError, Meter, Report, Service, Waits, count, milliseconds};
use load::Summary;
use server::Path;

use self::clients::{DIES_AT, Ledger, Traffic, until_it_dies};
use self::policies::{Behind, FLUSH_EVERY, Policy, Synchronous, TTL, Then};
use self::store::Store;

const ASIDE: &str = "aside";
const THROUGH: &str = "through";
const BEHIND: &str = "behind";
const AROUND: &str = "around";
const AHEAD: &str = "refresh-ahead";

/// How long the origin takes for a read or a transaction, on top of what SQLite takes.
const TAKES: Duration = Duration::from_millis(20);

pub(super) struct WritePolicies;

const FULL: Traffic = Traffic {
    keys: 40,
    reads_per_second: 400,
    writes_per_second: 60,
    dies_after: Duration::from_millis(3_500),
};

const BRIEF: Traffic = Traffic {
    keys: 20,
    reads_per_second: 200,
    writes_per_second: 40,
    dies_after: Duration::from_secs(1),
};

/// What came of one arm.
struct Seen {
    reads: Summary,
    writes: Summary,
    origin_reads: Meter,
    origin_writes: Meter,
    waits: Waits,
    stale: u64,
    lost: u64,
}

#[async_trait]
impl Lab for WritePolicies {
    fn name(&self) -> &'static str {
        "write-policies"
    }

    fn about(&self) -> &'static str {
        "write aside, through, behind, around, and refresh-ahead; then a crash in the middle: what each loses"
    }

    fn pattern(&self) -> &'static str {
        "write-through, write-behind, write-around and refresh-ahead beside cache-aside"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let traffic = bench.either(FULL, BRIEF);
        let columns = [
            ("writes acknowledged", ""),
            ("lost by the crash", ""),
            ("origin writes", ""),
            ("write p50", "ms"),
            ("reads", ""),
            ("stale reads", ""),
            ("origin reads", ""),
            ("reads that waited", ""),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{} reads and {} writes a second of {} keys (Zipf 1.0) for {} s, then the service is killed under them, {} ms after the origin's last write \
             began, and its file opened anew; \
             the origin takes {} ms for a read or a transaction; values live {} s; write-behind writes every {} ms",
            traffic.reads_per_second,
            traffic.writes_per_second,
            traffic.keys,
            traffic.dies_after.as_secs_f64(),
            DIES_AT.as_millis(),
            TAKES.as_millis(),
            TTL.as_secs_f64(),
            FLUSH_EVERY.as_millis()
        ));
        let mut bars = Vec::new();
        for arm in [ASIDE, THROUGH, BEHIND, AROUND, AHEAD] {
            let seen = run_arm(bench, traffic, arm).await?;
            Report::offered(arm, &seen.reads)?;
            Report::offered(arm, &seen.writes)?;
            let waited = seen.waits.count();
            report.arm(
                arm,
                vec![
                    count(seen.writes.succeeded),
                    count(seen.lost),
                    count(seen.origin_writes.calls()),
                    milliseconds(seen.writes.latencies.quantile(0.5)),
                    count(seen.reads.succeeded),
                    count(seen.stale),
                    count(seen.origin_reads.calls()),
                    count(waited),
                ],
            );
            let values = [seen.lost, seen.stale, seen.origin_writes.calls(), waited].map(count);
            bars.push((arm.to_owned(), values.to_vec()));
        }
        let labels = ["writes lost", "stale reads", "origin writes", "reads that waited"];
        report.figure = Figure::bars("What each way of writing costs", "how many", &labels, bars);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

async fn run_arm(bench: &Bench, traffic: Traffic, arm: &'static str) -> Result<Seen, LabError> {
    let path: PathBuf = bench.scratch().join(format!("write-{arm}.db"));
    let (telemetry, clock) = (bench.telemetry.clone(), bench.clock.clone());
    let store = Store::open(&path, TAKES, telemetry.clone(), &clock).await?;
    let (origin_reads, origin_writes) = (store.reads.clone(), store.writes.clone());
    let waits = Waits::new(&clock, TAKES / 2);
    let counted = waits.clone();
    let building = async move {
        let policy = policy(arm, store, clock);
        Ok(router(Watched {
            policy,
            waits: counted,
        }))
    };
    let service = Service::start(bench, building).await?;
    let ledger = Ledger::new(traffic.keys);
    let (reads, writes) = until_it_dies(bench, service, traffic, (&ledger, &origin_writes)).await?;

    // What the next process finds.
    let after = Store::open(&path, Duration::ZERO, telemetry, &bench.clock).await?;
    let mut kept = Vec::with_capacity(traffic.keys);
    for key in 0..traffic.keys {
        let version = after.read(&format!("key-{key}")).await;
        kept.push(version.map_err(LabError::while_("reading after the crash"))?);
    }
    let lost = ledger
        .acknowledged()
        .iter()
        .filter(|(key, version)| *version > kept[*key])
        .count();
    Ok(Seen {
        reads,
        writes,
        origin_reads,
        origin_writes,
        waits,
        stale: ledger.stale(),
        lost: lost as u64,
    })
}

/// Made in the service's runtime, so that a flusher dies with it.
fn policy(arm: &str, store: Store, clock: clock::SharedClock) -> Arc<dyn Policy> {
    let synchronous = |then, ahead| Arc::new(Synchronous::new(store.clone(), then, ahead, clock.clone()));
    match arm {
        THROUGH => synchronous(Then::Replace, false),
        BEHIND => Behind::start(store, clock),
        AROUND => synchronous(Then::Nothing, false),
        AHEAD => synchronous(Then::Forget, true),
        _ => synchronous(Then::Forget, false),
    }
}

/// The policy, and how many of its reads waited for the origin.
#[derive(Clone)]
struct Watched {
    policy: Arc<dyn Policy>,
    waits: Waits,
}

fn router(watched: Watched) -> Router {
    Router::new()
        .route("/{key}", get(read))
        .route("/{key}/{version}", put(write))
        .with_state(watched)
}

async fn read(State(watched): State<Watched>, Path(key): Path<String>) -> Response {
    match watched.waits.watch(watched.policy.read(&key)).await {
        Ok(version) => version.to_string().into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn write(State(watched): State<Watched>, Path((key, version)): Path<(String, u64)>) -> Response {
    match watched.policy.write(&key, version).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    format!(
        "Write-behind answered in {:.1} ms instead of {:.1} and wrote {} times instead of {}, and the crash took {} of its acknowledged writes; \
         write-around lost none and gave {} stale reads; write-through let {} reads wait where aside let {}.",
        of(BEHIND, "write p50"),
        of(ASIDE, "write p50"),
        of(BEHIND, "origin writes"),
        of(ASIDE, "origin writes"),
        of(BEHIND, "lost by the crash"),
        of(AROUND, "stale reads"),
        of(THROUGH, "reads that waited"),
        of(ASIDE, "reads that waited"),
    )
}
