//! When requests are due.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// How requests arrive, independent of how they are answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// Evenly spaced.
    Constant {
        /// Requests a second.
        per_second: f64,
    },
    /// Independent users: gaps are exponential.
    Poisson {
        /// Requests a second, in the mean.
        per_second: f64,
    },
}

impl Arrivals {
    /// The times at which requests are due, since the start; the same for the same seed. Ends after `count_max`
    /// arrivals or before `duration`, whichever comes first. A rate that is not positive never has one.
    pub fn schedule(self, seed: u64, count_max: u64, duration: Duration) -> Schedule {
        Schedule {
            arrivals: self,
            rng: StdRng::seed_from_u64(seed),
            at_s: 0.0,
            left: count_max,
            duration,
        }
    }
}

/// The times of arrivals, in order.
#[derive(Debug, Clone)]
pub struct Schedule {
    arrivals: Arrivals,
    rng: StdRng,
    at_s: f64,
    left: u64,
    duration: Duration,
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        self.at_s += match self.arrivals {
            Arrivals::Constant { per_second } => 1.0 / per_second.max(0.0),
            // The inverse of the exponential distribution; 1 - u is never 0.
            Arrivals::Poisson { per_second } => -(1.0 - self.rng.random::<f64>()).ln() / per_second.max(0.0),
        };
        Duration::try_from_secs_f64(self.at_s)
            .ok()
            .filter(|at| *at < self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn constant_arrivals_are_evenly_spaced() {
        let times: Vec<_> = Arrivals::Constant { per_second: 4.0 }
            .schedule(1, 3, MINUTE)
            .collect();
        assert_eq!(times, [250, 500, 750].map(Duration::from_millis));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_of_independent_users() {
        let times: Vec<f64> = Arrivals::Poisson { per_second: 1_000.0 }
            .schedule(7, 20_000, MINUTE)
            .map(|at| at.as_secs_f64())
            .collect();
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let count = f64::from(u32::try_from(gaps.len()).unwrap());
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!((mean * 1_000.0 - 1.0).abs() < 0.03, "mean gap {mean} s");
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.05,
            "an exponential's deviation is its mean"
        );
    }

    #[test]
    fn a_seed_decides_everything() {
        let times = |seed| {
            Arrivals::Poisson { per_second: 50.0 }
                .schedule(seed, 100, MINUTE)
                .collect::<Vec<_>>()
        };
        assert_eq!(times(3), times(3));
        assert_ne!(times(3), times(4));
    }

    #[test]
    fn arrivals_end_with_the_time_and_a_senseless_rate_has_none() {
        let within = |per_second, duration| {
            Arrivals::Constant { per_second }
                .schedule(1, 1_000, duration)
                .count()
        };
        assert_eq!(within(10.0, Duration::from_secs(1)), 9);
        for rate in [0.0, -1.0, f64::NAN] {
            assert_eq!(within(rate, MINUTE), 0, "{rate}");
        }
    }
}
