//! The stories that each objective's alerts are tested by. Times are the policy's: a scaled policy has the same stories, faster.

use std::time::Duration;

use super::story::{Phase, Story};
use crate::{BurnWindow, Objective, Policy};

/// Of the page's stories: so many steps in the shortest window. Each step runs every rule.
const STEPS_A_SHORT_WINDOW: u32 = 10;
/// Of the tickets': so many of the shortest windows in a step.
const SHORT_WINDOWS_A_STEP: u32 = 6;
/// A burn rate just above one that alerts, and just below.
const JUST_ABOVE: f64 = 1.02;
const JUST_BELOW: f64 = 0.98;

/// What happens within hours.
pub(super) fn hours(objective: &Objective, policy: &Policy) -> Vec<Story> {
    let of = Stories::new(objective, policy);
    let mut stories = vec![of.outage(), of.blip(), of.nothing_asked(), of.never_asked()];
    for pair in &policy.windows {
        stories.push(of.steady(
            pair.burn_rate * JUST_ABOVE,
            &format!("just above the pair of {}", pair.burn_rate),
        ));
    }
    let lowest = policy
        .windows
        .iter()
        .map(|pair| pair.burn_rate)
        .fold(f64::INFINITY, f64::min);
    stories.push(of.steady(lowest * JUST_BELOW, "just below the slowest pair: quiet"));
    stories
}

/// What takes days.
pub(super) fn days(objective: &Objective, policy: &Policy) -> Vec<Story> {
    let of = Stories::new(objective, policy);
    vec![of.slow(), of.quiet_day()]
}

struct Stories<'a> {
    objective: &'a Objective,
    /// The pair of the shortest windows, and that of the longest.
    fastest: BurnWindow,
    slowest: BurnWindow,
    /// After so long without a fault it is the pair of the shortest windows that pages first.
    hours: Duration,
    step: Duration,
}

impl<'a> Stories<'a> {
    fn new(objective: &'a Objective, policy: &Policy) -> Self {
        let by_length = |a: &&BurnWindow, b: &&BurnWindow| a.long.cmp(&b.long);
        let none = BurnWindow {
            severity: crate::Severity::Page,
            burn_rate: 1.0,
            long: Duration::from_hours(1),
            short: Duration::from_mins(5),
        };
        let fastest = policy.windows.iter().min_by(by_length).copied().unwrap_or(none);
        let slowest = policy.windows.iter().max_by(by_length).copied().unwrap_or(none);
        Self {
            objective,
            fastest,
            slowest,
            hours: fastest.long.mul_f64(4.0),
            step: fastest.short / STEPS_A_SHORT_WINDOW,
        }
    }

    /// One request a second, of which so many times what the budget allows are bad.
    fn at_burn(&self, lasts: Duration, burn: f64) -> Phase {
        Phase {
            lasts,
            per_second: 1.0,
            bad_share: (burn * self.objective.budget()).min(1.0),
        }
    }

    fn story(&self, name: &str, phases: Vec<Phase>) -> Story {
        Story {
            name: name.to_owned(),
            sample: self.step,
            step: self.step,
            phases,
            looks: Vec::new(),
        }
    }

    /// All is well for some hours, then nothing works, then all is well.
    fn outage(&self) -> Story {
        let down = Phase {
            bad_share: 1.0,
            ..self.at_burn(self.fastest.short * 2, 0.0)
        };
        let well = |lasts| self.at_burn(lasts, 0.0);
        let mut story = self.story(
            "a total outage pages at its arithmetic moment and clears",
            vec![well(self.hours), down, well(self.fastest.short * 8)],
        );
        story.looks = vec![self.hours];
        story
    }

    /// A short burst that the short window alone would page for, over a little that is always bad.
    fn blip(&self) -> Story {
        let before = self.fastest.long * 2;
        let costs = 0.1 * self.fastest.burn_rate * self.objective.budget() * self.fastest.long.as_secs_f64();
        let steps = (costs / self.step.as_secs_f64()).ceil().max(1.0);
        let lasts = self.step.mul_f64(steps);
        let blip = Phase {
            bad_share: costs / lasts.as_secs_f64(),
            ..self.at_burn(lasts, 0.0)
        };
        let after = self.fastest.short * 2;
        let mut story = self.story(
            "noise stays quiet",
            vec![self.at_burn(before, 0.2), blip, self.at_burn(after, 0.2)],
        );
        story.looks = (0..8).map(|n| before + lasts + self.step * n).collect();
        story.looks.push(before);
        story
    }

    /// After a page nobody asks any more: whatever is not asked does not fail.
    fn nothing_asked(&self) -> Story {
        let down = Phase {
            bad_share: 1.0,
            ..self.at_burn(self.fastest.short, 0.0)
        };
        let silent = Phase {
            per_second: 0.0,
            ..self.at_burn(self.fastest.short * 8, 0.0)
        };
        self.story(
            "without requests a page ends",
            vec![self.at_burn(self.fastest.short, 0.0), down, silent],
        )
    }

    fn never_asked(&self) -> Story {
        let silent = Phase {
            per_second: 0.0,
            ..self.at_burn(self.fastest.short * 2, 0.0)
        };
        let mut story = self.story("what was never asked for is no failure", vec![silent]);
        story.looks = vec![self.fastest.short, self.fastest.short * 2];
        story
    }

    fn steady(&self, burn: f64, name: &str) -> Story {
        let lasts = self.fastest.short * 3;
        let mut story = self.story(name, vec![self.at_burn(lasts, burn)]);
        story.looks = vec![self.fastest.short, lasts];
        story
    }

    /// A burn too slow to page, after days in which all was well.
    fn slow(&self) -> Story {
        let burn = 5.5;
        let takes = self.slowest.long.mul_f64(self.slowest.burn_rate / burn * 1.2);
        let phases = vec![
            self.at_burn(self.slowest.long, 0.0),
            self.at_burn(takes, burn),
            self.at_burn(self.slowest.short * 2, 0.0),
        ];
        self.in_days(
            "a burn too slow to page becomes a ticket at its arithmetic moment and clears",
            phases,
        )
    }

    /// Ten times the traffic, and all well; then a day that is bad by its own standard, and too small to be by that of three.
    fn quiet_day(&self) -> Story {
        let day = self.slowest.long / 3;
        let busy = Phase {
            per_second: 10.0,
            ..self.at_burn(day * 2, 0.0)
        };
        let phases = vec![
            busy,
            self.at_burn(day.mul_f64(1.1), 3.5),
            self.at_burn(self.slowest.short, 0.0),
        ];
        self.in_days(
            "a bad day with little traffic is a ticket by the pair of a day alone",
            phases,
        )
    }

    fn in_days(&self, name: &str, phases: Vec<Phase>) -> Story {
        let step = self.fastest.short * SHORT_WINDOWS_A_STEP;
        // Whole steps, so that samples fall on what begins and ends.
        let whole = |phase: Phase| Phase {
            lasts: step.mul_f64((phase.lasts.as_secs_f64() / step.as_secs_f64()).round()),
            ..phase
        };
        Story {
            name: name.to_owned(),
            // Two in the shortest window at the least, or it has no rate.
            sample: self.fastest.short / 2,
            step,
            phases: phases.into_iter().map(whole).collect(),
            looks: Vec::new(),
        }
    }
}
