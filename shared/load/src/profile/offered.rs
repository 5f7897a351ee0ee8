//! Arrivals whose rate may change while the load goes on.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Deserialize;

/// How arrivals are spread around their rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// Evenly.
    Constant,
    /// As of independent users: gaps are exponential.
    #[default]
    Poisson,
}

/// A stretch of time over which the rate goes in a straight line from what it was to this.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How long it takes.
    pub over_s: f64,
    /// The rate at its end.
    pub to_per_second: f64,
}

/// When arrivals are due: at a rate for a time, or in stages that begin at a rate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedArrivals {
    /// How they are spread.
    #[serde(default)]
    pub kind: Spread,
    /// The rate, or where there are stages, the rate before the first.
    pub per_second: f64,
    /// How long they go on, where there are no stages.
    #[serde(default)]
    pub duration_s: Option<f64>,
    /// One after the other; the last one's end is the end.
    #[serde(default)]
    pub stages: Vec<Stage>,
}

impl OfferedArrivals {
    /// How long arrivals go on.
    pub fn duration(&self) -> Duration {
        let stages_s: f64 = self.stages.iter().map(|stage| stage.over_s).sum();
        Duration::try_from_secs_f64(self.duration_s.unwrap_or(stages_s)).unwrap_or_default()
    }

    /// The highest rate there is.
    pub fn per_second_max(&self) -> f64 {
        let stages = self.stages.iter().map(|stage| stage.to_per_second);
        stages.fold(self.per_second, f64::max)
    }

    /// How many arrivals are due in the mean.
    pub fn count_mean(&self) -> f64 {
        self.pieces().iter().map(Piece::area).sum()
    }

    pub(super) fn scale_rate(&mut self, per_second: f64) {
        let factor = per_second / self.per_second_max();
        self.per_second *= factor;
        for stage in &mut self.stages {
            stage.to_per_second *= factor;
        }
    }

    pub(super) fn scale_duration(&mut self, duration: Duration) {
        let factor = duration.as_secs_f64() / self.duration().as_secs_f64();
        self.duration_s = self.duration_s.map(|seconds| seconds * factor);
        for stage in &mut self.stages {
            stage.over_s *= factor;
        }
    }

    /// The times at which arrivals are due, since the start; the same for the same seed.
    pub fn offered(&self, seed: u64) -> Offered {
        Offered {
            kind: self.kind,
            rng: StdRng::seed_from_u64(seed),
            pieces: self.pieces(),
            at: 0,
            begins_s: 0.0,
            passed: 0.0,
            due: 0.0,
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        if self.stages.is_empty() {
            return vec![Piece {
                from: self.per_second,
                to: self.per_second,
                over_s: self.duration().as_secs_f64(),
            }];
        }
        let mut from = self.per_second;
        let pieces = self.stages.iter().map(|stage| {
            let piece = Piece {
                from,
                to: stage.to_per_second,
                over_s: stage.over_s,
            };
            from = stage.to_per_second;
            piece
        });
        pieces.collect()
    }
}

/// A straight line of the rate.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: f64,
    to: f64,
    over_s: f64,
}

impl Piece {
    /// How many arrivals are due in it, in the mean.
    fn area(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.over_s
    }

    /// After how many seconds so many were due: solves `from·x + slope·x²/2 = area`.
    fn seconds_at(&self, area: f64) -> f64 {
        // Also where the rate begins at 0, of which the formula knows nothing.
        if area <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.over_s;
        let root = (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
        // This form of the solution also holds where the line is flat.
        2.0 * area / (self.from + root)
    }
}

/// The times of arrivals, in order: a process of rate 1, stretched so that it has the rate that is wanted (time change of a
/// Poisson process).
#[derive(Debug, Clone)]
pub struct Offered {
    kind: Spread,
    rng: StdRng,
    pieces: Vec<Piece>,
    /// The piece that the next arrival is looked for in, when it begins, and how many arrivals were due before it.
    at: usize,
    begins_s: f64,
    passed: f64,
    due: f64,
}

impl Iterator for Offered {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.due += match self.kind {
            Spread::Constant => 1.0,
            // The inverse of the exponential distribution; 1 - u is never 0.
            Spread::Poisson => -(1.0 - self.rng.random::<f64>()).ln(),
        };
        loop {
            let piece = self.pieces.get(self.at)?;
            let within = self.due - self.passed;
            if within < piece.area() {
                return Duration::try_from_secs_f64(self.begins_s + piece.seconds_at(within)).ok();
            }
            self.passed += piece.area();
            self.begins_s += piece.over_s;
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(kind: Spread, per_second: f64, stages: &[(f64, f64)]) -> OfferedArrivals {
        OfferedArrivals {
            kind,
            per_second,
            duration_s: stages.is_empty().then_some(10.0),
            stages: stages
                .iter()
                .map(|&(over_s, to_per_second)| Stage {
                    over_s,
                    to_per_second,
                })
                .collect(),
        }
    }

    fn between(times: &[Duration], from_s: f64, to_s: f64) -> usize {
        let within = |at: &&Duration| at.as_secs_f64() >= from_s && at.as_secs_f64() < to_s;
        times.iter().filter(within).count()
    }

    #[test]
    fn a_flat_rate_is_spread_evenly() {
        let times: Vec<_> = arrivals(Spread::Constant, 4.0, &[]).offered(1).take(3).collect();
        assert_eq!(times, [250, 500, 750].map(Duration::from_millis));
        assert_eq!(arrivals(Spread::Constant, 4.0, &[]).offered(1).count(), 39);
    }

    #[test]
    fn a_ramp_a_plateau_and_an_end_have_the_rates_they_say() {
        let spread = arrivals(
            Spread::Constant,
            0.0,
            &[(10.0, 100.0), (10.0, 100.0), (0.001, 10.0), (9.999, 10.0)],
        );
        let times: Vec<_> = spread.offered(1).collect();
        assert!(times.is_sorted());
        assert_eq!(between(&times, 0.0, 5.0), 124, "a quarter of the ramp");
        assert!((499..=501).contains(&between(&times, 0.0, 10.0)));
        assert!((999..=1_001).contains(&between(&times, 10.0, 20.0)));
        assert!((98..=102).contains(&between(&times, 20.0, 30.0)));
        assert_eq!(between(&times, 30.0, 1e9), 0);
        assert!((spread.count_mean() - 1_600.0).abs() < 1.0);
        let pause = arrivals(Spread::Constant, 10.0, &[(1.0, 0.0), (1.0, 0.0), (1.0, 10.0)]);
        let times: Vec<_> = pause.offered(1).collect();
        assert_eq!((between(&times, 0.0, 1.0), between(&times, 1.0, 2.0)), (4, 0));
        assert_eq!(times.len(), 9, "it goes on after a pause: {times:?}");
    }

    #[test]
    fn independent_users_come_at_the_same_rates_and_not_evenly() {
        let times: Vec<_> = arrivals(Spread::Poisson, 0.0, &[(10.0, 1_000.0), (10.0, 1_000.0)])
            .offered(7)
            .collect();
        let (ramp, flat) = (between(&times, 0.0, 10.0), between(&times, 10.0, 20.0));
        assert!(
            (4_750..5_250).contains(&ramp) && (9_700..10_300).contains(&flat),
            "{ramp}, {flat}"
        );
        let gaps: Vec<_> = times
            .windows(2)
            .map(|pair| pair[1].checked_sub(pair[0]).unwrap())
            .collect();
        assert!(gaps.iter().max() > gaps.iter().min(), "they differ");
        let again: Vec<_> = arrivals(Spread::Poisson, 0.0, &[(10.0, 1_000.0), (10.0, 1_000.0)])
            .offered(7)
            .collect();
        assert_eq!(times, again, "a seed decides everything");
    }

    #[test]
    fn another_rate_and_another_time_keep_the_shape() {
        let mut spread = arrivals(Spread::Constant, 10.0, &[(10.0, 100.0), (10.0, 50.0)]);
        spread.scale_rate(200.0);
        spread.scale_duration(Duration::from_secs(4));
        assert!((spread.per_second - 20.0).abs() < 1e-9 && (spread.per_second_max() - 200.0).abs() < 1e-9);
        assert_eq!(spread.duration(), Duration::from_secs(4));
    }
}
