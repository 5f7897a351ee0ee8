//! Burn rates, budgets and alerts from scrapes, as Prometheus would give them, without one.

mod series;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::exposition::Sample;
use crate::{Alert, BurnWindow, Objective, Policy, Selector, Severity, alert_name};
use series::Series;

/// Counters that are followed at once. One keeps at most some 1,600 points of 40 bytes, so that all stay below 33 MB; a
/// platform of three services has about a hundred, and a month passes before one is full.
pub const SERIES_MAX: usize = 512;
/// Counters of a watched metric that were seen, followed or not (other routes, other buckets).
const SEEN_MAX: usize = 50_000;

/// Follows the counters that objectives need. It has no clock and does no I/O: scrapes come in by [`Evaluator::ingest`],
/// and every question names its moment. Moments are measured from any fixed one, alike in all calls.
#[derive(Debug)]
pub struct Evaluator {
    objectives: Vec<Objective>,
    policy: Policy,
    windows: Vec<Duration>,
    metrics: HashSet<String>,
    /// Every seen counter: where it stands in `followed`, or that nobody needs it.
    seen: HashMap<String, Option<usize>>,
    followed: Vec<Followed>,
    series_max: usize,
    ignored: u64,
}

#[derive(Debug)]
struct Followed {
    /// Indexes of the objectives that count it as good, and as any.
    good_of: Vec<usize>,
    total_of: Vec<usize>,
    series: Series,
}

impl Evaluator {
    /// For these objectives, with alerts by `policy`.
    pub fn new(objectives: Vec<Objective>, policy: Policy) -> Self {
        let selectors = objectives.iter().flat_map(|o| [&o.good, &o.total]);
        Self {
            metrics: selectors.map(|selector| selector.metric.clone()).collect(),
            windows: policy.durations(),
            objectives,
            policy,
            seen: HashMap::new(),
            followed: Vec::new(),
            series_max: SERIES_MAX,
            ignored: 0,
        }
    }

    /// The same with another limit than [`SERIES_MAX`].
    #[must_use]
    pub fn with_series_max(mut self, series_max: usize) -> Self {
        self.series_max = series_max;
        self
    }

    /// The objectives, as they were given.
    pub fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// The policy, as it was given.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Samples that were left out because a limit was reached: above 0 the answers are too low.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// One scrape of one target. The labels `job` and `instance` are added as Prometheus adds them. A counter's first
    /// value is where its counting begins, one that falls has begun again at 0.
    pub fn ingest(&mut self, at: Duration, job: &str, instance: &str, samples: &[Sample]) {
        let mut key = String::new();
        for sample in samples {
            if !self.metrics.contains(&sample.name) || sample.value.is_nan() {
                continue;
            }
            key.clear();
            key.extend([job, "\0", instance, "\0", &sample.name]);
            for (label, value) in &sample.labels {
                key.extend(["\0", label, "\0", value]);
            }
            let found = match self.seen.get(&key) {
                Some(found) => *found,
                None => self.first_sight(at, &key, job, instance, sample),
            };
            if let Some(found) = found {
                self.followed[found].series.push(at, sample.value);
            }
        }
    }

    /// Decides once a counter who needs it.
    fn first_sight(
        &mut self,
        at: Duration,
        key: &str,
        job: &str,
        instance: &str,
        sample: &Sample,
    ) -> Option<usize> {
        if self.seen.len() >= SEEN_MAX {
            self.ignored += 1;
            return None;
        }
        let given = |label: &str| label != "job" && label != "instance";
        let mut labels: Vec<_> = sample
            .labels
            .iter()
            .filter(|(label, _)| given(label))
            .cloned()
            .collect();
        labels.push(("job".to_owned(), job.to_owned()));
        labels.push(("instance".to_owned(), instance.to_owned()));
        let who = |selector: fn(&Objective) -> &Selector| -> Vec<usize> {
            let all = self.objectives.iter().enumerate();
            all.filter(|(_, o)| selector(o).matches(&sample.name, &labels))
                .map(|(at, _)| at)
                .collect()
        };
        let (good_of, total_of) = (who(|o| &o.good), who(|o| &o.total));
        let place = if good_of.is_empty() && total_of.is_empty() {
            None
        } else {
            let followed = Followed {
                good_of,
                total_of,
                series: Series::new(&self.windows),
            };
            let Some(place) = self.place(at, followed) else {
                self.ignored += 1;
                return None;
            };
            Some(place)
        };
        self.seen.insert(key.to_owned(), place);
        place
    }

    /// A free place, or that of a counter that no window reaches any more.
    fn place(&mut self, at: Duration, followed: Followed) -> Option<usize> {
        if self.followed.len() < self.series_max {
            self.followed.push(followed);
            return Some(self.followed.len() - 1);
        }
        let longest = *self.windows.last()?;
        let gone = |f: &Followed| {
            f.series
                .seen()
                .is_some_and(|seen| at.saturating_sub(seen) > longest)
        };
        let place = self.followed.iter().position(gone)?;
        self.seen.retain(|_, found| *found != Some(place));
        self.followed[place] = followed;
        Some(place)
    }

    /// How many times faster than allowed the budget burnt over the window: 1 spends it in exactly its time. `None` for
    /// an objective that is not there, and without requests.
    pub fn burn_rate(&self, objective: &str, window: Duration, now: Duration) -> Option<f64> {
        let index = self.objectives.iter().position(|o| o.name == objective)?;
        self.burn(index, window, now)
    }

    /// What is left of the budget of the policy's window: 1 is all of it, less than 0 is overspent. `None` without requests.
    pub fn budget_left(&self, objective: &str, now: Duration) -> Option<f64> {
        Some(1.0 - self.burn_rate(objective, self.policy.budget_window, now)?)
    }

    /// What each alert says, each objective's page before its ticket.
    pub fn alerts(&self, now: Duration) -> Vec<Alert> {
        let all = self.objectives.iter().enumerate();
        all.flat_map(|(index, objective)| {
            Severity::ALL
                .into_iter()
                .filter_map(move |severity| self.alert(index, objective, severity, now))
        })
        .collect()
    }

    fn alert(&self, index: usize, objective: &Objective, severity: Severity, now: Duration) -> Option<Alert> {
        let measured = self.policy.of(severity).map(|pair| Measured {
            pair: *pair,
            long: self.burn(index, pair.long, now),
            short: self.burn(index, pair.short, now),
        });
        let nearest = measured.max_by(|a, b| a.nearness().total_cmp(&b.nearness()))?;
        Some(Alert {
            name: alert_name(objective, severity),
            objective: objective.name.clone(),
            service: objective.service.clone(),
            severity,
            firing: nearest.nearness() > 1.0,
            long_burn: nearest.long,
            short_burn: nearest.short,
            window: nearest.pair,
        })
    }

    fn burn(&self, index: usize, window: Duration, now: Duration) -> Option<f64> {
        let sum = |of: fn(&Followed) -> &Vec<usize>| -> f64 {
            let counted = self.followed.iter().filter(|f| of(f).contains(&index));
            counted.filter_map(|f| f.series.rate(window, now)).sum()
        };
        let total = sum(|f| &f.total_of);
        if total <= 0.0 {
            return None;
        }
        let bad = (total - sum(|f| &f.good_of)).max(0.0);
        Some(bad / total / self.objectives[index].budget())
    }
}

/// A pair of windows, and what was measured over them.
struct Measured {
    pair: BurnWindow,
    long: Option<f64>,
    short: Option<f64>,
}

impl Measured {
    /// The lower of both burn rates as a share of the pair's: above 1 it fires.
    fn nearness(&self) -> f64 {
        let lower = self.long.unwrap_or(0.0).min(self.short.unwrap_or(0.0));
        lower / self.pair.burn_rate
    }
}
