//! Pages of one subject in, the answer for a range of time out.

use std::collections::HashSet;

use sketches::HyperLogLog;

use super::breakdown::Adding;
use super::windows::{MINUTE_MS, day_start_ms, last_hour_from_ms};
use super::{Breakdown, Page, Range};
use crate::store::StoreError;
use crate::store::statistics::{Day, LaneId, Period, StoredPage};

/// What happened to a link, or to all links of a tenant.
///
/// `clicks` and `series` are exactly those of the range. Everything else is of the whole UTC days that the range touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it answers for.
    pub range: Range,
    /// Clicks in the range; the sum of the series.
    pub clicks: u64,
    /// A point for each window, those without clicks too.
    pub series: Vec<Point>,
    /// Visitors, about: the sum of each day's, since nobody can tell whether visitors of two days are the same.
    pub uniques: u64,
    /// Visits of robots; never among the clicks.
    pub bots: u64,
    /// Clicks that came more than an hour behind the latest one, and so are in no window.
    pub late: u64,
    /// By the host that led here.
    pub referrers: Breakdown,
    /// By country.
    pub countries: Breakdown,
    /// By kind of device.
    pub devices: Breakdown,
    /// By browser.
    pub browsers: Breakdown,
    /// The last 60 minutes up to now, whatever the range.
    pub last_60_minutes: LastHour,
}

/// Clicks of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it begins (Unix ms).
    pub from_ms: u64,
    /// Its clicks.
    pub clicks: u64,
}

/// A sliding window: it moves on with each minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastHour {
    /// When its first minute begins (Unix ms).
    pub from_ms: u64,
    /// Its clicks.
    pub clicks: u64,
    /// Each minute's clicks; the last one is under way.
    pub minutes: [u64; 60],
}

impl LastHour {
    fn ending(now_ms: u64) -> Self {
        Self {
            from_ms: last_hour_from_ms(now_ms),
            clicks: 0,
            minutes: [0; 60],
        }
    }

    fn add(&mut self, at_ms: u64, clicks: u64) {
        let after_ms = at_ms.checked_sub(self.from_ms);
        let place = after_ms.and_then(|after_ms| usize::try_from(after_ms / MINUTE_MS).ok());
        if let Some(minute) = place.and_then(|place| self.minutes.get_mut(place)) {
            *minute = minute.saturating_add(clicks);
            self.clicks = self.clicks.saturating_add(clicks);
        }
    }
}

impl Report {
    /// Answers out of the subject's pages for [`Range::days`] and [`recent_days`](super::recent_days), of every lane and in any order. Pages of other
    /// days and for all time do not matter, nor that one is handed in twice.
    pub fn of(
        range: Range,
        now_ms: u64,
        pages: impl IntoIterator<Item = StoredPage>,
    ) -> Result<Self, StoreError> {
        let mut adding = Reporting::new(range, now_ms);
        for stored in pages {
            adding.add(&stored)?;
        }
        Ok(adding.done())
    }
}

/// A report that is being added up, page by page: nobody has to hold those of a year at once. See [`Report::of`].
#[derive(Debug)]
pub struct Reporting {
    range: Range,
    added: HashSet<(Day, LaneId)>,
    series: Vec<Point>,
    /// Of the days of the range, each by itself: pages of several lanes may have the same visitor of one tenant.
    uniques: std::collections::BTreeMap<Day, HyperLogLog>,
    bots: u64,
    late: u64,
    referrers: Adding,
    countries: Adding,
    devices: Adding,
    browsers: Adding,
    last_hour: LastHour,
}

impl Reporting {
    /// Without any page yet.
    pub fn new(range: Range, now_ms: u64) -> Self {
        let window_ms = range.granularity().window_ms();
        let windows = (0..range.points()).map(|window| range.from_ms() + window * window_ms);
        Self {
            range,
            added: HashSet::new(),
            series: windows.map(|from_ms| Point { from_ms, clicks: 0 }).collect(),
            uniques: std::collections::BTreeMap::new(),
            bots: 0,
            late: 0,
            referrers: Adding::default(),
            countries: Adding::default(),
            devices: Adding::default(),
            browsers: Adding::default(),
            last_hour: LastHour::ending(now_ms),
        }
    }

    /// Adds a page.
    pub fn add(&mut self, stored: &StoredPage) -> Result<(), StoreError> {
        if let Period::Day(day) = stored.key.period
            && self.added.insert((day, stored.key.lane))
        {
            self.add_day(day, &Page::from_stored(stored)?);
        }
        Ok(())
    }

    fn add_day(&mut self, day: Day, page: &Page) {
        for (&minute, &clicks) in &page.minutes {
            let at_ms = day_start_ms(day) + u64::from(minute) * MINUTE_MS;
            self.last_hour.add(at_ms, clicks);
            if let Some(point) = self
                .range
                .window_of(at_ms)
                .and_then(|window| self.series.get_mut(window))
            {
                point.clicks = point.clicks.saturating_add(clicks);
            }
        }
        if !self.range.days().contains(&day) {
            return;
        }
        self.uniques.entry(day).or_default().merge(&page.uniques);
        self.bots = self.bots.saturating_add(page.bots);
        self.late = self.late.saturating_add(page.late);
        self.referrers.add(&page.referrers);
        self.countries.add(&page.countries);
        self.devices.add(&page.devices);
        self.browsers.add(&page.browsers);
    }

    /// What the pages say together.
    pub fn done(self) -> Report {
        let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
        Report {
            range: self.range,
            clicks: sum(&mut self.series.iter().map(|point| point.clicks)),
            uniques: sum(&mut self.uniques.values().map(HyperLogLog::estimate)),
            series: self.series,
            bots: self.bots,
            late: self.late,
            referrers: self.referrers.done(),
            countries: self.countries.done(),
            devices: self.devices.done(),
            browsers: self.browsers.done(),
            last_60_minutes: self.last_hour,
        }
    }
}
