//! What one event says about one link on one day, before it is added to pages.

use std::collections::BTreeMap;

use super::windows::minute_of_day;
use crate::visit::{Kind, Visitor};

/// Sums of visits of one link on one UTC day.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Clicks in time.
    pub clicks: u64,
    /// Clicks that came too late for their windows.
    pub late: u64,
    /// Visits of robots, late or not.
    pub bots: u64,
    /// The latest click, late or not (Unix ms).
    pub last_at_ms: Option<u64>,
    /// Clicks in time by minute of the day.
    pub minutes: BTreeMap<u16, u64>,
    /// Clicks in time by the index of their kind.
    pub kinds: BTreeMap<u16, u64>,
    /// Whose the clicks in time were.
    pub visitors: Vec<Visitor>,
}

/// One entry of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub at_ms: u64,
    pub count: u64,
    pub visitor: Visitor,
    pub index: u16,
    pub kind: &'a Kind,
    pub late: bool,
}

impl Sums {
    pub(super) fn add(&mut self, entry: Entry<'_>) {
        if entry.kind.bot {
            self.bots = self.bots.saturating_add(entry.count);
            return;
        }
        self.last_at_ms = self.last_at_ms.max(Some(entry.at_ms));
        if entry.late {
            self.late = self.late.saturating_add(entry.count);
            return;
        }
        self.clicks = self.clicks.saturating_add(entry.count);
        let add = |sum: &mut u64| *sum = sum.saturating_add(entry.count);
        add(self.minutes.entry(minute_of_day(entry.at_ms)).or_default());
        add(self.kinds.entry(entry.index).or_default());
        if entry.visitor.is_known() {
            self.visitors.push(entry.visitor);
        }
    }
}
