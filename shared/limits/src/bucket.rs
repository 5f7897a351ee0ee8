use std::num::NonZeroU32;
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;
/// A token an hour is the slowest rate.
const PERIOD_NS_MAX: u64 = 3_600 * SECOND_NS;

/// A burst and a refill rate, as the bucket reckons with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: NonZeroU32,
    /// Time in which one token comes back, rounded up: never faster than was asked for.
    token_ns: u64,
}

impl Rate {
    /// At most `burst` at once and `per_second` sustained.
    pub fn new(burst: NonZeroU32, per_second: NonZeroU32) -> Self {
        Self {
            burst,
            token_ns: SECOND_NS.div_ceil(u64::from(per_second.get())),
        }
    }

    /// At most `burst` at once, and one token back each `period` (a nanosecond to an hour).
    pub fn one_each(burst: NonZeroU32, period: Duration) -> Self {
        Self {
            burst,
            token_ns: nanos(period).clamp(1, PERIOD_NS_MAX),
        }
    }

    /// The most tokens that a bucket holds.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// Time in which one token comes back.
    pub(crate) fn token_ns(&self) -> u64 {
        self.token_ns
    }

    /// Time in which an empty bucket fills.
    pub(crate) fn capacity_ns(&self) -> u64 {
        u64::from(self.burst.get()).saturating_mul(self.token_ns)
    }
}

/// What a limiter says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may pass.
    pub allowed: bool,
    /// The most tokens that the bucket holds.
    pub limit: u32,
    /// Whole tokens left after this request.
    pub remaining: u32,
    /// Seconds, rounded up, until the bucket is full again if nothing else is asked for.
    pub reset_s: u64,
    /// When refused: after how long a request will pass if nothing else is asked for.
    pub retry_after: Option<Duration>,
    /// When refused: because no further key can be remembered, not because this one asked too often.
    pub keys_full: bool,
}

/// One token bucket. Sans-I/O: the caller brings the rate and the monotonic time of each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenBucket {
    /// Monotonic time at which the bucket is full again. In the past: it is full.
    full_at_ns: u64,
}

impl TokenBucket {
    /// A bucket with all its tokens.
    pub const fn full() -> Self {
        Self { full_at_ns: 0 }
    }

    /// One request at `now`: takes a token if there is one.
    pub fn step(&mut self, rate: &Rate, now: Duration) -> Decision {
        let now_ns = nanos(now);
        let debt_ns = self.full_at_ns.saturating_sub(now_ns);
        let debt_after_ns = debt_ns.saturating_add(rate.token_ns);
        let over_ns = debt_after_ns.saturating_sub(rate.capacity_ns());
        if over_ns > 0 {
            return Decision::of(rate, debt_ns, Some(Duration::from_nanos(over_ns)));
        }
        self.full_at_ns = now_ns.saturating_add(debt_after_ns);
        Decision::of(rate, debt_after_ns, None)
    }

    /// Puts one token back: the request that took it was refused elsewhere.
    pub(crate) fn give_back(&mut self, rate: &Rate) {
        self.full_at_ns = self.full_at_ns.saturating_sub(rate.token_ns);
    }

    /// When the bucket is (or was) full again, in monotonic time.
    pub fn full_at(&self) -> Duration {
        Duration::from_nanos(self.full_at_ns)
    }
}

impl Decision {
    /// Of a bucket that lacks `debt_ns` of being full, this request included; refused when it says how long to wait.
    pub(crate) fn of(rate: &Rate, debt_ns: u64, retry_after: Option<Duration>) -> Self {
        let tokens = rate.capacity_ns().saturating_sub(debt_ns) / rate.token_ns;
        Self {
            allowed: retry_after.is_none(),
            limit: rate.burst.get(),
            remaining: u32::try_from(tokens).unwrap_or(u32::MAX),
            reset_s: debt_ns.div_ceil(SECOND_NS),
            retry_after,
            keys_full: false,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
