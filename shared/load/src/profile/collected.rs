//! What a run has counted so far.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Profile;
use super::recording::{Done, GIVEN_UP, What};
use super::report::{OperationReport, Quantiles, Report, Second, ms};
use super::step::Step;
use crate::latencies::Latencies;

/// One operation's counts.
#[derive(Debug, Default)]
struct Tally {
    offered: u64,
    ok: u64,
    failed: u64,
    dropped: u64,
    statuses: BTreeMap<What, u64>,
    latency: Latencies,
    service: Latencies,
}

/// Counts by operation and by second.
#[derive(Debug)]
pub(super) struct Collected {
    operations: Vec<Tally>,
    lateness: Latencies,
    seconds: Vec<Second>,
    current: Second,
    current_statuses: BTreeMap<What, u64>,
    current_latency: Latencies,
    /// By the second in which they were due.
    failed_of_due: Vec<u64>,
    in_flight: usize,
}

impl Collected {
    pub(super) fn new(operations: usize) -> Self {
        Self {
            operations: (0..operations).map(|_| Tally::default()).collect(),
            lateness: Latencies::default(),
            seconds: Vec::new(),
            current: Second::default(),
            current_statuses: BTreeMap::new(),
            current_latency: Latencies::default(),
            failed_of_due: Vec::new(),
            in_flight: 0,
        }
    }

    /// An arrival is started, `late` after it was due.
    pub(super) fn started(&mut self, operation: usize, late: Duration) {
        self.operations[operation].offered += 1;
        self.current.offered += 1;
        self.in_flight += 1;
        self.lateness.record(late);
    }

    /// An arrival is not started.
    pub(super) fn dropped(&mut self, operation: usize, due: Duration) {
        self.operations[operation].offered += 1;
        self.operations[operation].dropped += 1;
        self.current.offered += 1;
        self.current.dropped += 1;
        self.blame(due);
    }

    /// One that was started has ended, `latency` after it was due.
    pub(super) fn ended(&mut self, operation: usize, due: Duration, done: &Done, latency: Duration) {
        let tally = &mut self.operations[operation];
        if done.ok {
            tally.ok += 1;
        } else {
            tally.failed += 1;
            self.current.failed += 1;
        }
        *tally.statuses.entry(done.what).or_default() += 1;
        tally.latency.record(latency);
        tally.service.record(done.service);
        self.current.answered += 1;
        *self.current_statuses.entry(done.what).or_default() += 1;
        self.current_latency.record(latency);
        self.in_flight -= 1;
        if !done.ok {
            self.blame(due);
        }
    }

    fn blame(&mut self, due: Duration) {
        let second = usize::try_from(due.as_secs()).unwrap_or(usize::MAX);
        if self.failed_of_due.len() <= second {
            self.failed_of_due.resize(second + 1, 0);
        }
        self.failed_of_due[second] += 1;
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Ends a second.
    pub(super) fn second(&mut self) -> Second {
        let statuses = std::mem::take(&mut self.current_statuses);
        let mut second = std::mem::take(&mut self.current);
        second.at_s = self.seconds.len() as u64;
        second.in_flight = self.in_flight;
        second.p50_ms = ms(self.current_latency.quantile(0.5));
        second.p99_ms = ms(self.current_latency.quantile(0.99));
        second.statuses = named(&statuses);
        self.current_latency.clear();
        self.seconds.push(second.clone());
        second
    }

    /// Ends the last second, of which only a part was needed.
    pub(super) fn rest(&mut self) -> Option<Second> {
        (self.current != Second::default()).then(|| self.second())
    }

    /// Everything.
    pub(super) fn report(mut self, profile: &Profile, url: &str) -> Report {
        for (second, failed) in self.seconds.iter_mut().zip(&self.failed_of_due) {
            second.failed_of_due = *failed;
        }
        let mut total = Tally::default();
        for tally in &self.operations {
            total.add(tally);
        }
        let operations = profile.operations.iter().zip(&self.operations);
        Report {
            profile: profile.name.clone(),
            seed: profile.seed,
            url: url.to_owned(),
            started_us: 0,
            elapsed_s: 0.0,
            stopped: false,
            history_error: None,
            errors_max_share: profile.errors_max_share,
            expected: expected(profile),
            lateness: Quantiles::of(&self.lateness),
            total: total.report("all", None),
            operations: operations
                .map(|(step, tally)| tally.report(&step.name, step.objective.clone()))
                .collect(),
            seconds: self.seconds,
        }
    }
}

fn expected(profile: &Profile) -> Vec<String> {
    let mut expected: Vec<String> = profile
        .operations
        .iter()
        .flat_map(Step::refused)
        .map(ToString::to_string)
        .collect();
    if profile.operations.iter().any(|step| step.repeats.is_some()) {
        expected.push(GIVEN_UP.to_owned());
    }
    expected.sort_unstable();
    expected.dedup();
    expected
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.ok += other.ok;
        self.failed += other.failed;
        self.dropped += other.dropped;
        for (what, count) in &other.statuses {
            *self.statuses.entry(*what).or_default() += count;
        }
        self.latency.add(&other.latency);
        self.service.add(&other.service);
    }

    fn report(&self, name: &str, objective: Option<String>) -> OperationReport {
        OperationReport {
            name: name.to_owned(),
            objective,
            offered: self.offered,
            ok: self.ok,
            failed: self.failed,
            dropped: self.dropped,
            statuses: named(&self.statuses),
            latency: Quantiles::of(&self.latency),
            service: Quantiles::of(&self.service),
        }
    }
}

fn named(statuses: &BTreeMap<What, u64>) -> BTreeMap<String, u64> {
    statuses
        .iter()
        .map(|(what, count)| (what.to_string(), *count))
        .collect()
}
