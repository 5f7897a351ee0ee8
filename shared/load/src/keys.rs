//! Which key an arrival asks for.

use sketches::mix64;

/// A number in [0, 1) that is decided by a seed and an index: arrival 7 asks for the same in every run of the seed, whatever was
/// asked before it. (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.)
pub fn draw(seed: u64, index: u64) -> f64 {
    let mut mixed = mix64(seed ^ mix64(index.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    mixed >>= 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double has")]
    let unit = mixed as f64 / (1_u64 << 53) as f64;
    unit
}

/// Keys by rank, where the one of rank `r` is asked for in proportion to `1 / (r + 1)^s`: few are hot, many are cold, as with
/// links, posts and words.
#[derive(Debug, Clone)]
pub struct Zipf {
    /// The share of all requests that goes to this rank or a lower one.
    up_to: Vec<f64>,
}

impl Zipf {
    /// Ranks `0..keys` (at least one) with the exponent `s`; 0 asks for all alike.
    pub fn new(keys: usize, s: f64) -> Self {
        let mut sum = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "ranks stay far below 2^52")]
        let mut up_to: Vec<f64> = (1..=keys.max(1))
            .map(|rank| {
                sum += (rank as f64).powf(-s);
                sum
            })
            .collect();
        for share in &mut up_to {
            *share /= sum;
        }
        Self { up_to }
    }

    /// The rank that a number from [0, 1) stands for.
    pub fn rank(&self, chance: f64) -> usize {
        self.up_to
            .partition_point(|share| *share <= chance)
            .min(self.up_to.len() - 1)
    }

    /// The rank that arrival `index` of a seed asks for.
    pub fn at(&self, seed: u64, index: u64) -> usize {
        self.rank(draw(seed, index))
    }

    /// The share of all requests that goes to the `count` hottest.
    pub fn share_of_hottest(&self, count: usize) -> f64 {
        let last = count.min(self.up_to.len());
        if last == 0 { 0.0 } else { self.up_to[last - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_come_as_often_as_zipfs_law_says() {
        let zipf = Zipf::new(1_000, 1.0);
        let mut counts = vec![0_u32; 1_000];
        for index in 0..200_000 {
            counts[zipf.at(7, index)] += 1;
        }
        let harmonic: f64 = (1..=1_000).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [0, 1, 9] {
            let expected = 200_000.0 / harmonic / (f64::from(u32::try_from(rank).unwrap()) + 1.0);
            let error = (f64::from(counts[rank]) / expected - 1.0).abs();
            assert!(
                error < 0.05,
                "rank {rank}: {} instead of {expected}",
                counts[rank]
            );
        }
        assert!((zipf.share_of_hottest(1) - 1.0 / harmonic).abs() < 1e-9);
        assert!((zipf.share_of_hottest(1_000) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_exponent_of_zero_asks_for_all_alike_and_the_ends_are_within() {
        let zipf = Zipf::new(4, 0.0);
        let ranks = [0.0, 0.2499, 0.25, 0.999_999, 1.0].map(|chance| zipf.rank(chance));
        assert_eq!(ranks, [0, 0, 1, 3, 3]);
        assert_eq!(Zipf::new(0, 1.0).at(1, 1), 0);
    }

    #[test]
    fn a_draw_depends_on_seed_and_index_alone_and_fills_the_unit_evenly() {
        assert!((draw(3, 5) - draw(3, 5)).abs() < f64::EPSILON);
        assert!((draw(3, 5) - draw(4, 5)).abs() > f64::EPSILON);
        let mut tenths = [0_u32; 10];
        for index in 0..100_000 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to 9"
            )]
            let tenth = (draw(1, index) * 10.0) as usize;
            tenths[tenth] += 1;
        }
        assert!(
            tenths.iter().all(|count| (9_500..10_500).contains(count)),
            "{tenths:?}"
        );
    }
}
