//! Codes in a row give their neighbours away.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use lab::{Bench, Figure, Lab, LabError, Report, Service, count};
use load::{Arrivals, Plan, draw};

use super::layers::{Layer, router};
use super::origin::{Origin, Shape};
use crate::link::{Code, GENERATED_CODES};
use crate::permutation::{CodeKey, Permutation};

const SEQUENTIAL: &str = "sequential";
const RANDOM: &str = "random, checked";
const PERMUTED: &str = "permuted";

/// Links that the crawler makes itself, spread over all that are made.
const OWN: u64 = 10;

pub(super) struct ShortCodes;

/// How large the experiment is.
struct Size {
    links: u64,
    per_second: u32,
    guesses: u64,
}

const FULL: Size = Size {
    links: 20_000,
    per_second: 500,
    guesses: 3_000,
};

const BRIEF: Size = Size {
    links: 2_000,
    per_second: 400,
    guesses: 300,
};

/// What one arm makes codes of.
struct Made {
    /// In the order of their making, as places in the code space.
    places: Vec<u64>,
    /// How often the store was asked whether a code is free.
    checks: u64,
}

#[async_trait]
impl Lab for ShortCodes {
    fn name(&self) -> &'static str {
        "short-codes"
    }

    fn about(&self) -> &'static str {
        "a crawler tries the neighbours of its own links: codes in a row, random ones, a keyed permutation"
    }

    fn pattern(&self) -> &'static str {
        "short codes by a keyed permutation of a counter"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let size = bench.either(FULL, BRIEF);
        let columns = [
            ("links", ""),
            ("checks while making them", ""),
            ("guesses", ""),
            ("links found", ""),
            ("found in a hundred guesses", ""),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{} links with codes of seven characters (5.7 * 10^11 there are); a crawler made {OWN} of them and tries the codes next to \
             those, {} a second",
            size.links, size.per_second
        ));
        let mut bars = Vec::new();
        for (at, arm) in [SEQUENTIAL, RANDOM, PERMUTED].into_iter().enumerate() {
            let made = make(arm, bench.seed, size.links);
            let found = crawl(bench, &size, arm, at, &made).await?;
            let guesses = count(size.guesses);
            let share = 100.0 * count(found) / guesses;
            let links = count(size.links);
            report.arm(arm, vec![links, count(made.checks), guesses, count(found), share]);
            bars.push((arm.to_owned(), vec![count(found)]));
        }
        let title = "What a crawler finds next to its own links";
        report.figure = Figure::bars(title, "links found", &["guessed"], bars);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

fn make(arm: &str, seed: u64, links: u64) -> Made {
    if arm == RANDOM {
        return make_at_random(seed, links);
    }
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    let permutation = Permutation::new(&CodeKey::from_bytes(key), GENERATED_CODES);
    // A service that has run for a while: its counter stands somewhere.
    let counters = 1_000_000..1_000_000 + links;
    let places = counters.map(|counter| {
        if arm == PERMUTED {
            permutation.apply(counter)
        } else {
            counter
        }
    });
    Made {
        places: places.collect(),
        checks: 0,
    }
}

/// Each draw has to be asked for: two may be the same.
fn make_at_random(seed: u64, links: u64) -> Made {
    let (mut places, mut taken, mut checks) = (Vec::new(), HashSet::new(), 0);
    while (places.len() as u64) < links {
        let place = anywhere(seed, checks);
        checks += 1;
        if taken.insert(place) {
            places.push(place);
        }
    }
    Made { places, checks }
}

fn anywhere(seed: u64, index: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a code space far below 2^52"
    )]
    let place = (draw(seed, index) * GENERATED_CODES as f64) as u64;
    place.min(GENERATED_CODES - 1)
}

/// No cache: this is about what a code gives away.
struct Bare(Arc<Origin>);

#[async_trait]
impl Layer for Bare {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        self.0.read(code).await
    }
}

/// Tries the codes next to those that the crawler knows, nearest first, and counts whose links it met.
async fn crawl(bench: &Bench, size: &Size, arm: &str, at: usize, made: &Made) -> Result<u64, LabError> {
    let text = |place: u64| Code::generated(place).as_str().to_owned();
    let codes: Vec<String> = made.places.iter().map(|place| text(*place)).collect();
    let shape = Shape {
        seats: 64,
        takes: Duration::ZERO,
        step: Duration::from_millis(100),
    };
    let origin = Origin::open(bench, &format!("codes-{at}"), shape, &codes).await?;
    let service = Service::start(bench, async move { Ok(router(Arc::new(Bare(origin)))) }).await?;

    let own = made
        .places
        .iter()
        .step_by(made.places.len() / usize::try_from(OWN).unwrap_or(1));
    let own: Vec<u64> = own.copied().collect();
    let guess = move |index: u64| {
        let (from, away) = (own[usize::try_from(index % OWN).unwrap_or(0)], 1 + index / OWN);
        text((from + away) % GENERATED_CODES)
    };
    let found = Arc::new(AtomicU64::new(0));
    let (client, hits) = (service.client(Duration::from_secs(10))?, Arc::clone(&found));
    let plan = Plan {
        arrivals: Arrivals::Poisson {
            per_second: f64::from(size.per_second),
        },
        seed: bench.seed,
        count_max: size.guesses,
        duration: Duration::from_secs(20),
        in_flight_max: 400,
    };
    let summary = load::run(plan, &bench.clock, |arrival| {
        let (client, hits) = (client.clone(), Arc::clone(&hits));
        let path = format!("/{}", guess(arrival.index));
        async move {
            let Ok(answer) = client.get(&path).await else {
                return false;
            };
            if answer.status == StatusCode::FOUND {
                hits.fetch_add(1, Ordering::Relaxed);
            }
            !answer.status.is_server_error()
        }
    })
    .await;
    Report::offered(arm, &summary)?;
    Ok(found.load(Ordering::Relaxed))
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    format!(
        "In a row, {} of {} guesses next to its own codes led the crawler to other people's links; permuted it was {}, as with random codes, which \
         had to ask the store {} times whether a code is free.",
        of(SEQUENTIAL, "links found"),
        of(SEQUENTIAL, "guesses"),
        of(PERMUTED, "links found"),
        of(RANDOM, "checks while making them"),
    )
}
