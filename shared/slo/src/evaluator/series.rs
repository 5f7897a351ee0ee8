//! One counter's past, thinned with age, and its rate as Prometheus measures it.

use std::collections::VecDeque;
use std::time::Duration;

/// A window is made of at least this many steps: where it begins is off by at most half a percent of its length.
const STEPS: u32 = 200;

/// The counter at one moment.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Duration,
    /// With what was counted before each reset.
    sum: f64,
    /// As it was scraped.
    raw: f64,
    /// How many scrapes there were before; between two where it was reckoned.
    scrape: f64,
}

impl Point {
    /// Where the straight line to a later point is at a moment between the two.
    fn towards(&self, later: &Self, at: Duration) -> Self {
        let share = at.saturating_sub(self.at).as_secs_f64() / later.at.saturating_sub(self.at).as_secs_f64();
        let between = |a: f64, b: f64| a + (b - a) * share;
        Self {
            at,
            sum: between(self.sum, later.sum),
            raw: later.raw,
            scrape: between(self.scrape, later.scrape),
        }
    }
}

/// The points of one age: as far apart as the window that reaches them allows.
#[derive(Debug, Default)]
struct Tier {
    points: VecDeque<Point>,
    until_age: Duration,
    apart: Duration,
}

/// One counter: the newest point, and tiers of older ones.
#[derive(Debug)]
pub(super) struct Series {
    newest: Option<Point>,
    tiers: Vec<Tier>,
    /// What was counted before the last reset.
    before_reset: f64,
}

impl Series {
    /// For these windows, the shortest first.
    pub(super) fn new(windows: &[Duration]) -> Self {
        let tier = |window: &Duration| Tier {
            points: VecDeque::new(),
            until_age: *window,
            apart: *window / STEPS,
        };
        Self {
            newest: None,
            tiers: windows.iter().map(tier).collect(),
            before_reset: 0.0,
        }
    }

    /// When it was seen last.
    pub(super) fn seen(&self) -> Option<Duration> {
        self.newest.map(|point| point.at)
    }

    /// One scrape; one that is not after the last is left out.
    pub(super) fn push(&mut self, at: Duration, raw: f64) {
        let mut scrape = 0.0;
        if let Some(last) = self.newest {
            if at <= last.at {
                return;
            }
            if raw < last.raw {
                self.before_reset += last.raw;
            }
            scrape = last.scrape + 1.0;
            self.keep(last, at);
        }
        self.newest = Some(Point {
            at,
            sum: self.before_reset + raw,
            raw,
            scrape,
        });
    }

    /// Puts a point among the youngest, and lets each tier hand on what has become too old for it.
    fn keep(&mut self, point: Point, now: Duration) {
        let mut handed = vec![point];
        let oldest_tier = self.tiers.len().saturating_sub(1);
        for (level, tier) in self.tiers.iter_mut().enumerate() {
            for point in handed.drain(..) {
                let last = tier.points.back();
                if last.is_none_or(|last| point.at.saturating_sub(last.at) >= tier.apart) {
                    tier.points.push_back(point);
                }
            }
            // The oldest tier keeps one point more: what stands before the longest window's beginning.
            let spared = usize::from(level == oldest_tier);
            while let Some(oldest) = tier.points.front().copied() {
                let judged = tier.points.get(spared).unwrap_or(&oldest);
                if now.saturating_sub(judged.at) <= tier.until_age {
                    break;
                }
                tier.points.pop_front();
                handed.push(oldest);
            }
            if handed.is_empty() {
                break;
            }
        }
    }

    /// What Prometheus' `rate` gives for the window that ends now, a second; `None` with fewer than two scrapes in it.
    ///
    /// The extrapolation to the window's edges is Prometheus' own (`extrapolatedRate` in `promql/functions.go`), for
    /// series that appear in the middle of a window must weigh as they do there.
    pub(super) fn rate(&self, window: Duration, now: Duration) -> Option<f64> {
        let start = now.saturating_sub(window);
        let first = self.first_from(start)?;
        let last = self.last_until(now)?;
        if last.scrape <= first.scrape {
            return None;
        }
        let increase = last.sum - first.sum;
        let sampled = last.at.saturating_sub(first.at).as_secs_f64();
        let apart = sampled / (last.scrape - first.scrape);
        let mut to_start = first.at.saturating_sub(start).as_secs_f64();
        if increase > 0.0 && first.raw >= 0.0 {
            // A counter was never below zero: no further back than to where it would have begun.
            to_start = to_start.min(sampled * first.raw / increase);
        }
        let to_end = now.saturating_sub(last.at).as_secs_f64();
        let reach = |gap: f64| if gap < apart * 1.1 { gap } else { apart / 2.0 };
        let covered = sampled + reach(to_start) + reach(to_end);
        Some(increase * covered / sampled / window.as_secs_f64())
    }

    /// The first scrape in the window. Where its neighbours were thinned away, what it was at the window's very start.
    fn first_from(&self, start: Duration) -> Option<Point> {
        let kept = self.tiers.iter().rev().find_map(|tier| {
            let at = tier.points.partition_point(|point| point.at < start);
            tier.points.get(at).copied()
        });
        let first = kept.or(self.newest.filter(|point| point.at >= start))?;
        let before = start
            .checked_sub(Duration::from_nanos(1))
            .and_then(|before| self.last_until(before));
        Some(match before {
            Some(before) if first.scrape - before.scrape > 1.5 => before.towards(&first, start),
            _ => first,
        })
    }

    fn last_until(&self, now: Duration) -> Option<Point> {
        let newest = self.newest.filter(|point| point.at <= now);
        newest.or_else(|| {
            self.tiers.iter().find_map(|tier| {
                let at = tier.points.partition_point(|point| point.at <= now);
                tier.points.get(at.checked_sub(1)?).copied()
            })
        })
    }

    /// How many points are kept.
    #[cfg(test)]
    pub(super) fn points(&self) -> usize {
        self.tiers.iter().map(|tier| tier.points.len()).sum::<usize>() + usize::from(self.newest.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn close(a: f64, b: f64, share: f64) {
        assert!(
            (a - b).abs() <= share * b.abs(),
            "{a} is not within {share} of {b}"
        );
    }

    #[test]
    fn a_steady_counter_has_its_rate_over_every_window_and_stays_small() {
        let windows = Policy::standard().durations();
        let mut series = Series::new(&windows);
        let days = 31 * 86_400;
        let mut most = 0;
        for at in (0..=days).step_by(5) {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            series.push(seconds(at), at as f64 * 3.0);
            most = most.max(series.points());
        }
        for window in &windows {
            close(series.rate(*window, seconds(days)).unwrap(), 3.0, 1e-9);
        }
        assert!(most <= windows.len() * 204, "{most} points");
    }

    #[test]
    fn a_step_in_the_past_leaves_each_window_within_half_a_percent_of_its_time() {
        let windows = Policy::standard().durations();
        let mut series = Series::new(&windows);
        // Ten hours of 1/s, then silence: what a window of 6 h still sees of it shrinks second by second.
        for at in (0..=36_000_u32).step_by(5) {
            series.push(Duration::from_secs(u64::from(at)), f64::from(at));
        }
        for at in (36_005..=50_400_u32).step_by(5) {
            series.push(Duration::from_secs(u64::from(at)), 36_000.0);
        }
        let got = series.rate(seconds(21_600), seconds(50_400)).unwrap() * 21_600.0;
        assert!((got - 7200.0).abs() <= 0.005 * 21_600.0 + 5.0, "{got}");
    }

    #[test]
    fn a_reset_is_not_a_loss_and_one_scrape_is_no_rate() {
        let mut series = Series::new(&[seconds(300)]);
        series.push(seconds(0), 100.0);
        assert_eq!(series.rate(seconds(300), seconds(0)), None);
        series.push(seconds(15), 115.0);
        series.push(seconds(30), 5.0);
        series.push(seconds(45), 20.0);
        // 15 before the reset, 5 + 15 after it, over 45 s that reach to both edges of the window.
        close(series.rate(seconds(45), seconds(45)).unwrap(), 35.0 / 45.0, 1e-9);
        assert_eq!(series.rate(seconds(300), seconds(1000)), None, "it has gone");
    }

    #[test]
    fn a_young_series_is_extrapolated_as_prometheus_does() {
        let mut series = Series::new(&[seconds(300)]);
        for (at, value) in [(200, 4.0), (215, 10.0), (230, 16.0)] {
            series.push(seconds(at), value);
        }
        // By hand: 12 in 30 s; 0 is 10 s before its first scrape and nearer than 16.5 s; the end is 70 s away: half a gap.
        let covered = 30.0 + 10.0 + 7.5;
        close(
            series.rate(seconds(300), seconds(300)).unwrap(),
            12.0 * covered / 30.0 / 300.0,
            1e-9,
        );
    }
}
