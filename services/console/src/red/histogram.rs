//! Durations by class: those of the platform's own histograms, so that scraped and counted requests are comparable.

use std::time::Duration;

/// Upper bounds in seconds; one class more lies above.
pub(crate) const BOUNDS_S: [f64; 19] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0, 300.0,
];
const CLASSES: usize = BOUNDS_S.len() + 1;

/// How many requests took how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Histogram([u32; CLASSES]);

impl Histogram {
    pub(crate) fn observe(&mut self, took: Duration, requests: u32) {
        self.observe_upto(took.as_secs_f64(), requests);
    }

    /// Requests of which it is known that they took at most so long, and more than the class below.
    pub(crate) fn observe_upto(&mut self, seconds: f64, requests: u32) {
        // A scraped bound has been through text: what is equal but for its last digit is equal.
        let class = BOUNDS_S.partition_point(|bound| *bound < seconds * (1.0 - 1e-9));
        self.0[class] = self.0[class].saturating_add(requests);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|requests| u64::from(*requests)).sum()
    }

    /// The duration that this share of the requests did not exceed, in milliseconds: evenly spread inside a class, as
    /// Prometheus has it. What lies above the last bound is told as that bound.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "requests of half an hour are far below 2^52"
        )]
        let rank = share * count as f64;
        let mut below = 0.0;
        for (class, requests) in self.0.iter().enumerate() {
            let here = f64::from(*requests);
            if here > 0.0 && below + here >= rank {
                let Some(upper) = BOUNDS_S.get(class) else { break };
                let lower = if class == 0 { 0.0 } else { BOUNDS_S[class - 1] };
                return Some(1e3 * (lower + (upper - lower) * ((rank - below) / here).clamp(0.0, 1.0)));
            }
            below += here;
        }
        BOUNDS_S.last().map(|last| 1e3 * last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_in_the_class_of_its_request() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        histogram.observe(Duration::from_millis(2), 90);
        histogram.observe(Duration::from_millis(400), 10);
        let at = |share| histogram.quantile_ms(share).unwrap();
        assert!((1.0..=2.5).contains(&at(0.5)) && (250.0..=500.0).contains(&at(0.95)));
        assert!(
            (at(0.99) - 475.0).abs() < 1e-6,
            "nine tenths of the way: {}",
            at(0.99)
        );
    }

    #[test]
    fn what_took_longer_than_every_bound_is_told_as_the_last() {
        let mut histogram = Histogram::default();
        histogram.observe(Duration::from_secs(4_000), 1);
        assert_eq!(histogram.quantile_ms(0.5), Some(300_000.0));
    }

    #[test]
    fn a_bound_belongs_to_the_class_below_it() {
        let mut histogram = Histogram::default();
        histogram.observe_upto("0.25".parse().unwrap(), 1);
        assert!(histogram.quantile_ms(1.0).unwrap() <= 250.0);
    }
}
