//! The circuit breaker: who was too slow a moment ago is left alone for a while.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a [`Breaker`] opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures in a row after which calls are no longer tried.
    pub failures_max: u32,
    /// Pause before one call is tried again; while that fails, one call in each such pause.
    pub open_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            open_ms: 1_000,
        }
    }
}

/// Sans-I/O: the caller brings the monotonic time, asks before each call and says how it ended.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    failures: u32,
    /// Open until then: a call is tried at that time and not before. `None` when closed.
    open_until: Option<Duration>,
}

impl Breaker {
    /// A closed one.
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            failures: 0,
            open_until: None,
        }
    }

    /// Whether a call may be tried now. When it is open for long enough, one call may, and the next one only after another
    /// pause, whether or not anybody hears of the first again.
    pub fn admits(&mut self, now: Duration) -> bool {
        match self.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(self.pause_from(now));
                true
            }
        }
    }

    /// A call succeeded: all is well again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.open_until = None;
    }

    /// A call failed. True when this is what opened it.
    pub fn failed(&mut self, now: Duration) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.settings.failures_max {
            return false;
        }
        let opened = self.open_until.is_none();
        self.open_until = Some(self.pause_from(now));
        opened
    }

    /// Whether calls are being kept back.
    pub fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    fn pause_from(&self, now: Duration) -> Duration {
        now.saturating_add(Duration::from_millis(self.settings.open_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            failures_max: 3,
            open_ms: 100,
        })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let mut breaker = breaker();
        assert!(!breaker.failed(ms(1)) && !breaker.failed(ms(2)));
        breaker.succeeded();
        assert!(!breaker.failed(ms(3)) && !breaker.failed(ms(4)));
        assert!(breaker.admits(ms(5)));
        assert!(breaker.failed(ms(5)), "the third in a row");
        assert!(!breaker.admits(ms(6)) && !breaker.admits(ms(104)));
    }

    #[test]
    fn one_call_is_tried_after_each_pause_until_one_succeeds() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(ms(0));
        }
        assert!(breaker.admits(ms(100)) && !breaker.admits(ms(100)));
        assert!(!breaker.failed(ms(150)), "it was open already");
        assert!(!breaker.admits(ms(249)));
        assert!(breaker.admits(ms(250)));
        assert!(
            breaker.admits(ms(350)),
            "a trial that nobody heard of again does not block the next one"
        );
        breaker.succeeded();
        assert!(!breaker.is_open() && breaker.admits(ms(351)) && breaker.admits(ms(351)));
    }
}
