//! Latencies in an HDR histogram.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// A longer latency counts as this one.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Latencies from 1 microsecond to 10 minutes, to three digits.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are in order");
        Self { histogram }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        self.histogram
            .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        // Cannot fail: all have the same bounds.
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "all have the same bounds");
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.histogram.reset();
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many took longer than this.
    pub fn above(&self, latency: Duration) -> u64 {
        let up_to = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.histogram.len() - self.histogram.count_between(0, up_to.min(LATENCY_US_MAX))
    }

    /// The latency that the share `quantile` (0 to 1) did not exceed.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.histogram.value_at_quantile(quantile))
    }

    /// The longest.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.histogram.max())
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|quantile| self.quantile(quantile));
        write!(
            out,
            "p50 {half:?}, p99 {most:?}, p99.9 {nearly_all:?}, longest {:?}",
            self.longest()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits_and_the_overlong_are_kept() {
        let mut latencies = Latencies::default();
        for ms in 1..=1_000 {
            latencies.record(Duration::from_millis(ms));
        }
        let mut other = Latencies::default();
        other.record(Duration::from_secs(10_000));
        latencies.add(&other);
        assert_eq!(latencies.count(), 1_001);
        assert_eq!(latencies.quantile(0.5).as_millis(), 501);
        assert!(latencies.longest() >= Duration::from_mins(10));
        assert_eq!(latencies.above(Duration::from_millis(990)), 11);
        assert_eq!(latencies.above(Duration::ZERO), 1_001);
    }
}
