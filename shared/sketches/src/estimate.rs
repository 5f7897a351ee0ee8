//! How many distinct items the registers of a HyperLogLog tell of.

use crate::hyper_log_log::{RANK_MAX, REGISTERS};

/// How many registers hold each value.
pub(crate) type Histogram = [u32; RANK_MAX as usize + 1];

/// The improved raw estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284,
/// algorithm 6): one formula from nothing to 2^64, without tables and without a seam where one formula takes over from another.
pub(crate) fn estimate(histogram: &Histogram) -> f64 {
    let registers = f64::from(REGISTERS);
    let full = f64::from(histogram[usize::from(RANK_MAX)]);
    let mut sum = registers * tau(1.0 - full / registers);
    for &count in histogram[1..usize::from(RANK_MAX)].iter().rev() {
        sum = 0.5 * (sum + f64::from(count));
    }
    sum += registers * sigma(f64::from(histogram[0]) / registers);
    registers * registers / (2.0 * std::f64::consts::LN_2 * sum)
}

/// x + Σ x^(2^k) 2^(k-1): what registers at zero say. Infinite when all are, so that the estimate is 0.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let mut power = 1.0;
    let mut sum = x;
    loop {
        x *= x;
        let before = sum;
        sum += x * power;
        power += power;
        if sum <= before {
            return sum;
        }
    }
}

/// (1 - x - Σ (1 - x^(2^-k))^2 2^-k) / 3: what registers that can rise no further say.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let mut power = 1.0;
    let mut sum = 1.0 - x;
    loop {
        x = x.sqrt();
        let before = sum;
        power *= 0.5;
        sum -= (1.0 - x).powi(2) * power;
        if sum >= before {
            return sum / 3.0;
        }
    }
}
