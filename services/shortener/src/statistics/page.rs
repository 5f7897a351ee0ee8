//! What is kept of a link's or a tenant's visits for one day, or for all time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sketches::{HyperLogLog, Top};

use super::sums::Sums;
use super::tally::{Tally, is_zero};
use crate::store::StoreError;
use crate::store::statistics::{PageKey, StoredPage};
use crate::visit::{Country, Kind};

/// A page of one lane. Pages of several lanes add up, since a link's events are in one lane. Stored as JSON; a reader passes over
/// fields that it does not know, and takes what is not there for nothing.
///
/// A page for all time has only `clicks` (late ones included), `late`, `bots` and `last_at_ms`. In a day's page `clicks` leaves the late ones out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// The position of the last event that is in it.
    #[serde(skip)]
    pub through: u64,
    /// Clicks.
    #[serde(skip_serializing_if = "is_zero")]
    pub clicks: u64,
    /// Clicks that came more than an hour behind the latest one of their lane.
    #[serde(skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Visits of robots.
    #[serde(skip_serializing_if = "is_zero")]
    pub bots: u64,
    /// The latest click (Unix ms).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at_ms: Option<u64>,
    /// Clicks by minute of the day, where there are any. Hours are sums of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub minutes: BTreeMap<u16, u64>,
    /// How many visitors.
    #[serde(skip_serializing_if = "HyperLogLog::is_empty")]
    pub uniques: HyperLogLog,
    /// Clicks by the host that led here.
    #[serde(skip_serializing_if = "Tally::is_empty")]
    pub referrers: Tally,
    /// Clicks by country.
    #[serde(skip_serializing_if = "Tally::is_empty")]
    pub countries: Tally,
    /// Clicks by kind of device.
    #[serde(skip_serializing_if = "Tally::is_empty")]
    pub devices: Tally,
    /// Clicks by browser.
    #[serde(skip_serializing_if = "Tally::is_empty")]
    pub browsers: Tally,
    /// The links that were followed most; of a tenant's day only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
}

/// Links that are ranked a day and lane.
const TOP_MOST: u16 = 100;
/// ε = e / 1,024 = 0.27 % of the lane's clicks of that day.
const TOP_WIDTH: u32 = 1_024;
/// δ = e^-4 = 1.8 %.
const TOP_DEPTH: u8 = 4;

impl Page {
    /// As it is kept.
    pub(crate) fn to_stored(&self, key: &PageKey) -> StoredPage {
        StoredPage {
            key: key.clone(),
            through: self.through,
            body: serde_json::to_vec(self).expect("numbers and texts are JSON"),
        }
    }

    /// As it was kept.
    pub fn from_stored(stored: &StoredPage) -> Result<Self, StoreError> {
        let page: Self = serde_json::from_slice(&stored.body)
            .map_err(|error| StoreError::Corrupt(format!("a page of statistics: {error}")))?;
        Ok(Self {
            through: stored.through,
            ..page
        })
    }

    /// Adds sums to a page for all time.
    pub(super) fn add_totals(&mut self, sums: &Sums) {
        self.clicks = self.clicks.saturating_add(sums.clicks).saturating_add(sums.late);
        self.add_apart(sums);
    }

    /// Adds sums to the page of their day.
    pub(super) fn add_day(&mut self, sums: &Sums, kinds: &[Kind]) {
        self.clicks = self.clicks.saturating_add(sums.clicks);
        self.add_apart(sums);
        for (&minute, &clicks) in &sums.minutes {
            let sum = self.minutes.entry(minute).or_default();
            *sum = sum.saturating_add(clicks);
        }
        for visitor in &sums.visitors {
            self.uniques.insert(visitor.0);
        }
        for (&index, &clicks) in &sums.kinds {
            let Some(kind) = kinds.get(usize::from(index)) else {
                continue;
            };
            self.referrers.add(kind.referrer.as_deref(), clicks);
            self.countries
                .add(kind.country.as_ref().map(Country::as_str), clicks);
            self.devices.add(Some(kind.device.as_str()), clicks);
            self.browsers.add(Some(kind.browser.as_str()), clicks);
        }
    }

    /// Adds the clicks of one link to a tenant's day.
    pub(super) fn rank(&mut self, link: ids::Id, code: &str, clicks: u64) {
        let top = self
            .top
            .get_or_insert_with(|| Top::new(TOP_MOST, TOP_WIDTH, TOP_DEPTH));
        top.add(link.as_u64(), code, clicks);
    }

    fn add_apart(&mut self, sums: &Sums) {
        self.late = self.late.saturating_add(sums.late);
        self.bots = self.bots.saturating_add(sums.bots);
        self.last_at_ms = self.last_at_ms.max(sums.last_at_ms);
    }
}

/// What is known of all time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clicks, late ones included.
    pub clicks: u64,
    /// Late clicks.
    pub late: u64,
    /// Visits of robots.
    pub bots: u64,
    /// The latest click (Unix ms).
    pub last_at_ms: Option<u64>,
}

impl Totals {
    /// Adds a page for all time of one lane.
    pub fn add(&mut self, page: &Page) {
        self.clicks = self.clicks.saturating_add(page.clicks);
        self.late = self.late.saturating_add(page.late);
        self.bots = self.bots.saturating_add(page.bots);
        self.last_at_ms = self.last_at_ms.max(page.last_at_ms);
    }
}
