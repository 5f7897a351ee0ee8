use std::num::NonZeroU32;
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

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

    /// The most tokens that a bucket holds.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// Time in which an empty bucket fills. Below 2^62 nanoseconds, so sums with a process's age do not overflow.
    fn capacity_ns(&self) -> u64 {
        u64::from(self.burst.get()) * self.token_ns
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
            return Self::decision(rate, debt_ns, Some(Duration::from_nanos(over_ns)));
        }
        self.full_at_ns = now_ns.saturating_add(debt_after_ns);
        Self::decision(rate, debt_after_ns, None)
    }

    /// When the bucket is (or was) full again, in monotonic time.
    pub fn full_at(&self) -> Duration {
        Duration::from_nanos(self.full_at_ns)
    }

    fn decision(rate: &Rate, debt_ns: u64, retry_after: Option<Duration>) -> Decision {
        let tokens = rate.capacity_ns().saturating_sub(debt_ns) / rate.token_ns;
        Decision {
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
