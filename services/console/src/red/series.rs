//! One series: what ended in each stretch of ten seconds. A stretch in which nothing ended costs nothing.

use std::collections::VecDeque;

use super::Histogram;
use crate::model::{Load, RedPoint, RedSeries};

/// The length of a stretch.
pub(crate) const BUCKET_S: u64 = 10;
/// How far back charts reach.
pub(crate) const KEPT_S: u64 = 1_800;
const BUCKETS_MAX: u64 = KEPT_S / BUCKET_S;

/// One stretch; `slot` is its begin divided by its length.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    slot: u64,
    errors: u32,
    histogram: Histogram,
}

#[derive(Debug, Default)]
pub(crate) struct Series(VecDeque<Bucket>);

impl Series {
    pub(crate) fn add(&mut self, at_s: u64, errors: u32, histogram: &Histogram) {
        let slot = at_s / BUCKET_S;
        let newest = self.0.back().map_or(slot, |bucket| bucket.slot);
        if newest >= slot + BUCKETS_MAX {
            return;
        }
        // What comes late comes a little late.
        let after = self.0.iter().rposition(|bucket| bucket.slot <= slot);
        match after {
            Some(at) if self.0[at].slot == slot => {
                let bucket = &mut self.0[at];
                bucket.errors = bucket.errors.saturating_add(errors);
                bucket.histogram.merge(histogram);
            }
            _ => {
                let bucket = Bucket {
                    slot,
                    errors,
                    histogram: *histogram,
                };
                self.0.insert(after.map_or(0, |at| at + 1), bucket);
                self.forget(slot.max(newest).saturating_sub(BUCKETS_MAX) * BUCKET_S);
            }
        }
    }

    /// Counts all of another here too.
    pub(crate) fn merge(&mut self, other: &Self) {
        for bucket in &other.0 {
            self.add(bucket.slot * BUCKET_S, bucket.errors, &bucket.histogram);
        }
    }

    /// Lets go of what ended before.
    pub(crate) fn forget(&mut self, before_s: u64) {
        let oldest = before_s / BUCKET_S;
        while self.0.front().is_some_and(|bucket| bucket.slot < oldest) {
            self.0.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Bucket>()
    }

    /// All that ended in `window_s` before the end of the stretch that `from_s + window_s` lies in, over `lasted_s`.
    pub(crate) fn load(&self, from_s: u64, window_s: u64, lasted_s: f64) -> Load {
        let (first, last) = (from_s / BUCKET_S, (from_s + window_s) / BUCKET_S);
        let (mut errors, mut histogram) = (0_u64, Histogram::default());
        for bucket in self.0.iter().filter(|b| (first..=last).contains(&b.slot)) {
            errors += u64::from(bucket.errors);
            histogram.merge(&bucket.histogram);
        }
        let requests = histogram.count();
        #[expect(
            clippy::cast_precision_loss,
            reason = "requests of half an hour are far below 2^52"
        )]
        let (requests, errors) = (requests as f64, errors as f64);
        Load {
            requests_per_s: requests / lasted_s.max(1.0),
            error_share: (requests > 0.0).then(|| errors / requests),
            p50_ms: histogram.quantile_ms(0.5),
            p95_ms: histogram.quantile_ms(0.95),
            p99_ms: histogram.quantile_ms(0.99),
        }
    }

    /// The half hour up to now, a point a stretch.
    pub(crate) fn points(&self, now_s: u64) -> RedSeries {
        let last = now_s / BUCKET_S;
        let first = last.saturating_sub(BUCKETS_MAX - 1);
        let mut buckets = self.0.iter().skip_while(|b| b.slot < first).peekable();
        let points = (first..=last).map(|slot| {
            let bucket = buckets.next_if(|bucket| bucket.slot == slot);
            let histogram = bucket.map(|bucket| bucket.histogram).unwrap_or_default();
            RedPoint {
                at_unix_ms: slot * BUCKET_S * 1_000,
                requests: histogram.count(),
                errors: bucket.map_or(0, |bucket| u64::from(bucket.errors)),
                p50_ms: histogram.quantile_ms(0.5),
                p95_ms: histogram.quantile_ms(0.95),
                p99_ms: histogram.quantile_ms(0.99),
            }
        });
        RedSeries {
            bucket_s: BUCKET_S,
            points: points.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn one() -> Histogram {
        let mut histogram = Histogram::default();
        histogram.observe(Duration::from_millis(3), 1);
        histogram
    }

    #[test]
    fn every_stretch_has_its_point_whether_anything_ended_in_it_or_not() {
        let mut series = Series::default();
        for at_s in [10_000, 10_030, 10_005, 10_009] {
            series.add(at_s, 1, &one());
        }
        let points = series.points(10_031).points;
        assert_eq!(points.len() as u64, BUCKETS_MAX);
        let last: Vec<u64> = points[points.len() - 4..].iter().map(|p| p.requests).collect();
        assert_eq!(last, [3, 0, 0, 1]);
        assert_eq!(points.last().unwrap().at_unix_ms, 10_030_000);
    }

    #[test]
    fn a_series_never_holds_more_than_half_an_hour() {
        let mut series = Series::default();
        for at_s in 0..20_000 {
            series.add(at_s, 0, &one());
        }
        assert!(series.0.len() as u64 <= BUCKETS_MAX + 1);
        series.add(3, 0, &one());
        assert!(series.0.front().unwrap().slot > 0, "too late to be shown");
    }
}
