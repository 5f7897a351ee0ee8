//! When to refresh before the end: the XFetch rule of "Optimal probabilistic cache stampede prevention" (VLDB 2015).

use std::time::Duration;

/// With a chance from (0, 1], an early refresh further away than this many `delta * beta` is below 10^-17.
const REACH: f64 = 40.0;

/// Whether this reader should refresh: `now - delta * beta * ln(chance) >= expires_at`. `delta` is how long the
/// last load took; `chance` draws from (0, 1] and is asked only when the answer is not certain.
pub fn is_due(
    now: Duration,
    expires_at: Duration,
    delta: Duration,
    beta: f64,
    chance: impl FnOnce() -> f64,
) -> bool {
    let left_s = expires_at.saturating_sub(now).as_secs_f64();
    let scale_s = delta.as_secs_f64() * beta;
    if left_s > scale_s * REACH {
        return false;
    }
    -scale_s * chance().ln() >= left_s
}
