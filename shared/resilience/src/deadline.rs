//! The point in time after which nobody waits for the answer any more.

use std::future::Future;
use std::time::Duration;

use clock::Clock;
use http::{HeaderName, HeaderValue};

/// Carries the remaining milliseconds from hop to hop; the README defines it.
pub const DEADLINE_HEADER: HeaderName = HeaderName::from_static("orrery-deadline-ms");

tokio::task_local! {
    static CURRENT: Deadline;
}

/// A point on the monotonic clock of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    at: Duration,
}

impl Deadline {
    /// `after` from now.
    pub fn after(clock: &dyn Clock, after: Duration) -> Self {
        Self::at(clock.monotonic(), after)
    }

    /// `after` from `now`, a reading of the monotonic clock.
    pub fn at(now: Duration, after: Duration) -> Self {
        Self {
            at: now.saturating_add(after),
        }
    }

    /// What the caller left us: the header when readable, else `default`; never more than `max`.
    pub fn from_header(
        header: Option<&HeaderValue>,
        now: Duration,
        default: Duration,
        max: Duration,
    ) -> Self {
        let asked = header.and_then(parse_ms).unwrap_or(default);
        Self::at(now, asked.min(max))
    }

    /// What is left; zero when it is over.
    pub fn remaining(&self, clock: &dyn Clock) -> Duration {
        self.remaining_at(clock.monotonic())
    }

    /// What is left at `now`, a reading of the monotonic clock.
    pub fn remaining_at(&self, now: Duration) -> Duration {
        self.at.saturating_sub(now)
    }

    /// Whether the time is used up.
    pub fn is_over(&self, clock: &dyn Clock) -> bool {
        self.remaining(clock).is_zero()
    }

    /// The header for the next hop: whole milliseconds, rounded down, so that it never grows on its way.
    pub fn header_value(&self, clock: &dyn Clock) -> HeaderValue {
        let ms = u64::try_from(self.remaining(clock).as_millis()).unwrap_or(u64::MAX);
        HeaderValue::from(ms)
    }

    /// The deadline of the task's request, if it has one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Runs `future` with this deadline as the current one. It informs; it does not stop the future.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }
}

/// Digits only: `+5`, ` 5` and `5.0` are somebody else's header.
fn parse_ms(value: &HeaderValue) -> Option<Duration> {
    let digits = value.as_bytes();
    if digits.is_empty() || digits.len() > 12 {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |ms, digit| {
            digit.is_ascii_digit().then(|| ms * 10 + u64::from(digit - b'0'))
        })
        .map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn read(header: &'static str) -> Duration {
        let header = HeaderValue::from_static(header);
        Deadline::from_header(Some(&header), SECOND, 2 * SECOND, 5 * SECOND).remaining_at(SECOND)
    }

    #[test]
    fn a_header_is_read_and_capped() {
        assert_eq!(read("1500"), Duration::from_millis(1500));
        assert_eq!(read("0"), Duration::ZERO);
        assert_eq!(read("999999999999"), 5 * SECOND);
    }

    #[test]
    fn an_unreadable_header_means_the_default() {
        for header in [
            "",
            "-1",
            "+5",
            "5.0",
            "1e3",
            " 5",
            "9999999999999999999999",
            "later",
        ] {
            assert_eq!(read(header), 2 * SECOND, "{header:?}");
        }
        assert_eq!(
            Deadline::from_header(None, SECOND, SECOND, SECOND).remaining_at(SECOND),
            SECOND
        );
    }

    #[test]
    fn the_header_shrinks_at_each_hop() {
        let clock = ManualClock::at(0);
        let mut last = u64::MAX;
        let mut deadline = Deadline::after(&*clock, Duration::from_millis(100));
        for _hop in 0..12 {
            clock.advance(Duration::from_micros(9_500));
            let header = deadline.header_value(&*clock);
            let ms: u64 = header.to_str().unwrap().parse().unwrap();
            assert!(ms < last, "{ms} after {last}");
            last = ms;
            deadline = Deadline::from_header(Some(&header), clock.monotonic(), SECOND, SECOND);
            if ms == 0 {
                assert!(deadline.is_over(&*clock));
                return;
            }
        }
        panic!("twelve hops of 9.5 ms outlived 100 ms: {last} ms left");
    }

    #[tokio::test]
    async fn the_current_deadline_is_the_innermost_scope() {
        let outer = Deadline::at(SECOND, SECOND);
        let inner = Deadline::at(SECOND, Duration::ZERO);
        assert_eq!(Deadline::current(), None);
        outer
            .scope(async {
                assert_eq!(Deadline::current(), Some(outer));
                inner
                    .scope(async { assert_eq!(Deadline::current(), Some(inner)) })
                    .await;
                assert_eq!(Deadline::current(), Some(outer));
            })
            .await;
    }
}
