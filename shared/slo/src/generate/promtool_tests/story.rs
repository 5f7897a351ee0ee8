//! What happens in a test of an alert, and when, by arithmetic, each alert must fire: nothing here knows any PromQL.

use std::time::Duration;

use crate::{BurnWindow, Objective, Policy, Severity};

/// For a while, so many requests a second, of which this share is bad.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub(super) lasts: Duration,
    pub(super) per_second: f64,
    pub(super) bad_share: f64,
}

/// One test: phases after each other, sampled every `sample` and judged every `step`.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) name: String,
    pub(super) sample: Duration,
    pub(super) step: Duration,
    pub(super) phases: Vec<Phase>,
    /// Further moments at which to look, besides those at which an alert begins or ends.
    pub(super) looks: Vec<Duration>,
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) good: f64,
    pub(super) bad: f64,
}

/// A moment, and who must be firing then.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) at: Duration,
    pub(super) firing: Vec<Severity>,
}

impl Story {
    pub(super) fn ends(&self) -> Duration {
        self.phases.iter().map(|phase| phase.lasts).sum()
    }

    /// What was counted up to `at`.
    pub(super) fn counted(&self, at: Duration) -> Counted {
        let mut counted = Counted::default();
        let mut begins = Duration::ZERO;
        for phase in &self.phases {
            let seconds = at.saturating_sub(begins).min(phase.lasts).as_secs_f64();
            counted.good += seconds * phase.per_second * (1.0 - phase.bad_share);
            counted.bad += seconds * phase.per_second * phase.bad_share;
            begins += phase.lasts;
        }
        counted
    }

    /// The burn rate over a window, or over what there was of it.
    fn burn(&self, objective: &Objective, window: Duration, at: Duration) -> Option<f64> {
        let (now, then) = (self.counted(at), self.counted(at.saturating_sub(window)));
        let (good, bad) = (now.good - then.good, now.bad - then.bad);
        (good + bad > 1e-9).then(|| bad / (good + bad) / objective.budget())
    }

    fn fires(&self, objective: &Objective, pair: &BurnWindow, at: Duration) -> bool {
        let over = |window| {
            self.burn(objective, window, at)
                .is_some_and(|burn| burn > pair.burn_rate)
        };
        over(pair.long) && over(pair.short)
    }

    /// Who fires at a moment, by the policy's own words.
    pub(super) fn firing(&self, objective: &Objective, policy: &Policy, at: Duration) -> Vec<Severity> {
        let fires = |severity: &Severity| policy.of(*severity).any(|pair| self.fires(objective, pair, at));
        Severity::ALL.into_iter().filter(fires).collect()
    }

    /// The moments to look at: each step at which an alert begins or ends, the step before it, and those asked for.
    pub(super) fn expected(&self, objective: &Objective, policy: &Policy) -> Vec<Expected> {
        let mut expected: Vec<Expected> = Vec::new();
        let mut before: Option<Expected> = None;
        // One sample is no rate yet.
        let mut at = self.step * 2;
        while at <= self.ends() {
            let now = Expected {
                at,
                firing: self.firing(objective, policy, at),
            };
            let changed = before.as_ref().is_some_and(|before| before.firing != now.firing);
            let looked = self.looks.iter().any(|look| (at..at + self.step).contains(look));
            if changed && expected.last() != before.as_ref() {
                expected.extend(before.clone());
            }
            if changed || looked {
                expected.push(now.clone());
            }
            before = Some(now);
            at += self.step;
        }
        expected
    }
}
