//! Windows of event time: minutes, hours and days, in UTC.

use std::ops::RangeInclusive;

use crate::store::statistics::Day;

/// Milliseconds of a minute.
pub const MINUTE_MS: u64 = 60_000;
/// Milliseconds of a UTC day: Unix time has no leap seconds.
pub const DAY_MS: u64 = 1_440 * MINUTE_MS;
/// Most windows of one series.
pub const SERIES_POINTS_MAX: u64 = 1_500;
/// Most days that one range touches.
pub const RANGE_DAYS_MAX: u64 = 400;

/// The day of a moment (Unix ms). What claims to be older than day 1 is of day 1.
pub fn day_of(at_ms: u64) -> Day {
    Day::try_from(at_ms / DAY_MS).unwrap_or(Day::MAX).max(1)
}

/// When a day begins (Unix ms).
pub(super) fn day_start_ms(day: Day) -> u64 {
    u64::from(day) * DAY_MS
}

/// The minute of its day, from 0.
pub(super) fn minute_of_day(at_ms: u64) -> u16 {
    u16::try_from(at_ms % DAY_MS / MINUTE_MS).expect("a day has 1,440 minutes")
}

/// The days that the last 60 minutes lie in.
pub fn recent_days(now_ms: u64) -> RangeInclusive<Day> {
    day_of(last_hour_from_ms(now_ms))..=day_of(now_ms)
}

/// Where the last 60 minute windows begin, the one that `now_ms` lies in being the last.
pub(super) fn last_hour_from_ms(now_ms: u64) -> u64 {
    (now_ms / MINUTE_MS).saturating_sub(59) * MINUTE_MS
}

/// How long each window of a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A UTC day.
    Day,
}

impl Granularity {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The length of a window (ms).
    pub fn window_ms(self) -> u64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => 60 * MINUTE_MS,
            Self::Day => DAY_MS,
        }
    }

    /// Its name as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|granularity| granularity.as_str() == name)
    }
}

/// What is asked for: whole windows of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    from_ms: u64,
    to_ms: u64,
    granularity: Granularity,
}

/// Why that is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It ends before it begins, or at once.
    #[error("`from` must be before `to`")]
    Empty,
    /// It lies where no clock has been.
    #[error("`from` and `to` must be after 1970-01-02 and before the year 10000")]
    Outside,
    /// The series would be too long.
    #[error(
        "at most {SERIES_POINTS_MAX} windows and {RANGE_DAYS_MAX} days at a time: ask for less, or for longer windows"
    )]
    TooLong,
}

impl Range {
    /// From `from_ms` (Unix ms) to just before `to_ms`, both moved outwards to where a window begins.
    pub fn new(from_ms: u64, to_ms: u64, granularity: Granularity) -> Result<Self, RangeError> {
        /// 9999-12-31.
        const LAST_DAY: u64 = 2_932_896;
        if from_ms >= to_ms {
            return Err(RangeError::Empty);
        }
        if from_ms < DAY_MS || to_ms > LAST_DAY * DAY_MS {
            return Err(RangeError::Outside);
        }
        let window_ms = granularity.window_ms();
        let range = Self {
            from_ms: from_ms / window_ms * window_ms,
            to_ms: to_ms.div_ceil(window_ms) * window_ms,
            granularity,
        };
        let days = u64::from(range.days().end() - range.days().start()) + 1;
        if range.points() > SERIES_POINTS_MAX || days > RANGE_DAYS_MAX {
            return Err(RangeError::TooLong);
        }
        Ok(range)
    }

    /// When its first window begins (Unix ms).
    pub fn from_ms(&self) -> u64 {
        self.from_ms
    }

    /// When its last window ends (Unix ms); that moment is not in it.
    pub fn to_ms(&self) -> u64 {
        self.to_ms
    }

    /// How long its windows are.
    pub fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// The days whose pages answer for it.
    pub fn days(&self) -> RangeInclusive<Day> {
        day_of(self.from_ms)..=day_of(self.to_ms - 1)
    }

    /// How many windows it has.
    pub fn points(&self) -> u64 {
        (self.to_ms - self.from_ms) / self.granularity.window_ms()
    }

    /// The number of the window that a moment lies in, if any does.
    pub(super) fn window_of(&self, at_ms: u64) -> Option<usize> {
        let after_ms = at_ms.checked_sub(self.from_ms).filter(|_| at_ms < self.to_ms)?;
        usize::try_from(after_ms / self.granularity.window_ms()).ok()
    }
}
