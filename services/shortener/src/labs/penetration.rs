//! Requests for what is not there go past every cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use cache::CacheSettings;
use fastbloom::BloomFilter;
use lab::{Bench, Figure, Lab, LabError, Report, Service, count, milliseconds};
use load::{Arrivals, Plan, Summary, Zipf, draw};

use super::layers::{EachForItself, Layer, OneLoad, PLAIN, links, router};
use super::origin::{Origin, Shape};
use crate::link::{Code, GENERATED_CODES};
use crate::permutation::{CodeKey, Permutation};

const LINKS: u64 = 4_000;

/// A link that is gone and still stands in a mail to many.
const DEAD: &str = "old-campaign";

const NONE: &str = "none";
const NEGATIVE: &str = "negative caching";
const BLOOM: &str = "and a Bloom filter";
const COUNTER: &str = "and the code's counter";

pub(super) struct Penetration;

/// How large the experiment is: each kind of request, a second.
struct Size {
    readers: u32,
    guesses: u32,
    dead: u32,
    runs_for: Duration,
}

const FULL: Size = Size {
    readers: 300,
    guesses: 350,
    dead: 100,
    runs_for: Duration::from_secs(5),
};

const BRIEF: Size = Size {
    readers: 150,
    guesses: 200,
    dead: 60,
    runs_for: Duration::from_millis(1_200),
};

/// What came of one arm.
struct Seen {
    readers: Summary,
    reads: u64,
    in_vain: u64,
}

#[async_trait]
impl Lab for Penetration {
    fn name(&self) -> &'static str {
        "penetration"
    }

    fn about(&self) -> &'static str {
        "requests for codes that are not there reach the origin: negative caching, a Bloom filter, the code's own counter"
    }

    fn pattern(&self) -> &'static str {
        "a guard against cache penetration, and negative caching"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let size = bench.either(FULL, BRIEF);
        let columns = [
            ("origin reads", ""),
            ("in vain", ""),
            ("for readers", ""),
            ("readers answered", ""),
            ("readers' p50", "ms"),
            ("readers' p99", "ms"),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "for {} s: {} readers a second of {LINKS} links (Zipf 1.0), {} guesses a second of codes that were never given, and {} visits a \
             second of one link that is gone; 1,000 entries are remembered; the origin takes 10 ms a read and carries out 8 at once",
            size.runs_for.as_secs_f64(),
            size.readers,
            size.guesses,
            size.dead
        ));
        let codes = Codes::new(bench.seed);
        let mut bars = Vec::new();
        for arm in [NONE, NEGATIVE, BLOOM, COUNTER] {
            let seen = run_arm(bench, &size, arm, &codes).await?;
            Report::offered(arm, &seen.readers)?;
            let for_readers = count(seen.reads - seen.in_vain);
            report.arm(
                arm,
                vec![
                    count(seen.reads),
                    count(seen.in_vain),
                    for_readers,
                    count(seen.readers.succeeded),
                    milliseconds(seen.readers.latencies.quantile(0.5)),
                    milliseconds(seen.readers.latencies.quantile(0.99)),
                ],
            );
            bars.push((arm.to_owned(), vec![for_readers, count(seen.in_vain)]));
        }
        report.figure = Figure::bars("Reads of the origin", "reads", &["for readers", "in vain"], bars);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

/// The codes that were given, and how to tell.
#[derive(Clone)]
struct Codes {
    permutation: Permutation,
    given: Arc<Vec<String>>,
}

impl Codes {
    fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        let permutation = Permutation::new(&CodeKey::from_bytes(key), GENERATED_CODES);
        let given = (0..LINKS).map(|counter| Code::generated(permutation.apply(counter)).as_str().to_owned());
        Self {
            given: Arc::new(given.collect()),
            permutation,
        }
    }

    /// Whether a code can have been given, by its shape alone: the counter that it stands for was reached.
    fn may_be_given(&self, code: &str) -> bool {
        let index = Code::parse(code).and_then(|code| code.generated_index());
        // What is not of a generated code's shape may be an alias, of which the counter knows nothing.
        index.is_none_or(|index| self.permutation.invert(index) < LINKS)
    }
}

/// Refuses what was certainly never given before anything else is asked.
struct Guarded {
    may_be_there: Box<dyn Fn(&str) -> bool + Send + Sync>,
    behind: OneLoad,
}

#[async_trait]
impl Layer for Guarded {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        if !(self.may_be_there)(code) {
            return Ok(None);
        }
        self.behind.find(code).await
    }
}

fn layer(bench_clock: clock::SharedClock, arm: &str, codes: Codes, origin: Arc<Origin>) -> Arc<dyn Layer> {
    let settings = CacheSettings {
        capacity: 1_000,
        negative_ttl_ms: if arm == NONE { 0 } else { 5_000 },
        ..PLAIN
    };
    let links = links(&settings, bench_clock);
    let behind = OneLoad {
        links: links.clone(),
        origin: Arc::clone(&origin),
    };
    let may_be_there: Box<dyn Fn(&str) -> bool + Send + Sync> = match arm {
        NONE => return Arc::new(EachForItself { links, origin }),
        NEGATIVE => return Arc::new(behind),
        BLOOM => {
            let filter = BloomFilter::with_false_pos(0.01).items(codes.given.iter());
            Box::new(move |code| filter.contains(code))
        }
        _ => Box::new(move |code| codes.may_be_given(code)),
    };
    Arc::new(Guarded { may_be_there, behind })
}

async fn run_arm(bench: &Bench, size: &Size, arm: &'static str, codes: &Codes) -> Result<Seen, LabError> {
    let shape = Shape {
        seats: 8,
        takes: Duration::from_millis(10),
        step: Duration::from_millis(100),
    };
    let origin = Origin::open(bench, arm, shape, &codes.given).await?;
    let counted = Arc::clone(&origin);
    let (clock, known) = (bench.clock.clone(), codes.clone());
    let building = async move { Ok(router(layer(clock, arm, known, origin))) };
    let service = Service::start(bench, building).await?;

    let plan = |per_second: u32, stream: u64| Plan {
        arrivals: Arrivals::Poisson {
            per_second: f64::from(per_second),
        },
        seed: bench.seed ^ stream,
        duration: size.runs_for,
        in_flight_max: 400,
        ..Plan::default()
    };
    let deadline = Duration::from_secs(10);
    let (zipf, seed) = (Zipf::new(codes.given.len(), 1.0), bench.seed);
    let reader = |arrival: load::Arrival| format!("/{}", codes.given[zipf.at(seed, arrival.index)]);
    let guess = |arrival: load::Arrival| format!("/{}", never_given(seed, arrival.index));
    let dead = |_| format!("/{DEAD}");
    let (readers, guesses, dead) = tokio::join!(
        service.offer(bench, plan(size.readers, 1), deadline, reader),
        service.offer(bench, plan(size.guesses, 2), deadline, guess),
        service.offer(bench, plan(size.dead, 3), deadline, dead),
    );
    for summary in [guesses?, dead?] {
        Report::offered(arm, &summary)?;
    }
    Ok(Seen {
        readers: readers?,
        reads: counted.reads.calls(),
        in_vain: counted.in_vain.load(Ordering::Relaxed),
    })
}

/// A code of the right shape at random: of 5.7 * 10^11, a few thousand are given.
fn never_given(seed: u64, index: u64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a code space far below 2^52"
    )]
    let at = (draw(seed ^ 0x9e55, index) * GENERATED_CODES as f64) as u64;
    Code::generated(at.min(GENERATED_CODES - 1)).as_str().to_owned()
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    format!(
        "Of {} reads without protection {} found nothing; remembering what is not there saved the visits of the dead link and left {}, since \
         a guess never comes twice; a Bloom filter let {} of them through, the counter inside the code {}.",
        of(NONE, "origin reads"),
        of(NONE, "in vain"),
        of(NEGATIVE, "in vain"),
        of(BLOOM, "in vain"),
        of(COUNTER, "in vain"),
    )
}
