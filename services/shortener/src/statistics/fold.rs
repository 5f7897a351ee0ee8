//! The fold: events of one partition in, changed pages and the head out.

use std::collections::HashMap;

use super::sums::{Entry, Sums};
use super::windows::day_of;
use super::{Head, Page};
use crate::clicks::{LinkVisits, VisitEvent};
use crate::store::StoreError;
use crate::store::statistics::{Day, LaneId, PageKey, Period, StoredHead, StoredPage, Subject};

/// How far behind the latest event time of its lane a click may be and still be counted where it belongs (ms): an hour.
pub const LATENESS_MS: u64 = 3_600_000;
/// How far an event time may lie after its publication (ms). What lies further is moved there. Both are told by the publisher's clock.
pub const SKEW_MS: u64 = 300_000;

/// The statistics of one lane while they are being made.
///
/// For each event in the order of the log: load and [`supply`](Self::supply) what is [`wanted`](Self::wanted), then [`fold`](Self::fold). Every now
/// and then put [`changed`](Self::changed) and [`head`](Self::stored_head), in this order, tell it by [`saved`](Self::saved), then ack.
/// What fails in between is repeated, or all of this is dropped and resumed from the head that was stored last: both come to the same pages.
#[derive(Debug)]
pub struct Projection {
    lane: LaneId,
    head: Head,
    pages: HashMap<PageKey, Held>,
}

#[derive(Debug, Default)]
struct Held {
    page: Page,
    /// Whether it differs from what is stored.
    changed: bool,
    /// The last event that it was needed for, if only to find that it is in the page.
    used_at: u64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It is in the pages now.
    Counted,
    /// It was published more than once, and was folded before.
    Repeated,
    /// Its position lies before the head.
    Passed,
}

/// Why an event cannot be folded. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A page was not supplied.
    #[error("a page was not supplied: {0:?}")]
    PageMissing(Box<PageKey>),
    /// A visit names a kind that the event does not have: whoever wrote it is broken.
    #[error("the event names a kind of visit that it does not have")]
    KindMissing,
}

impl Projection {
    /// Goes on after what `head` says. A lane that was never folded has [`Head::default`].
    pub fn resume(lane: LaneId, head: Head) -> Self {
        Self {
            lane,
            head,
            pages: HashMap::new(),
        }
    }

    /// Which lane.
    pub fn lane(&self) -> LaneId {
        self.lane
    }

    /// How far it is.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the event can only be of another stream than the one that was folded so far: at its position there was another one.
    /// Not to be asked of an event that cannot be folded. One that is so old that its producer may be forgotten proves nothing.
    pub fn is_of_replaced_stream(&self, position: u64, published_ms: u64, event: &VisitEvent) -> bool {
        let seen = &self.head.seen;
        position <= self.head.position
            && !seen.has(&line_of(event), event.seq)
            && !seen.may_have_forgotten(published_ms)
    }

    /// The head as it is to be stored, after the pages.
    pub fn stored_head(&self) -> StoredHead {
        self.head.to_stored(self.lane)
    }

    /// The pages that must be supplied before the event can be folded: none twice, and none that is there.
    pub fn wanted(&self, position: u64, published_ms: u64, event: &VisitEvent) -> Vec<PageKey> {
        if self.is_done(position, event) {
            return Vec::new();
        }
        let mut keys = self.keys_of(published_ms, event);
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| !self.pages.contains_key(key));
        keys
    }

    /// Hands in pages as they are stored, `None` for one that is not. One that is here already stays as it is.
    pub fn supply(&mut self, keys: Vec<PageKey>, pages: Vec<Option<StoredPage>>) -> Result<(), StoreError> {
        for (key, stored) in keys.into_iter().zip(pages) {
            let page = stored
                .as_ref()
                .map(Page::from_stored)
                .transpose()?
                .unwrap_or_default();
            let used_at = self.head.position;
            self.pages.entry(key).or_insert(Held {
                page,
                changed: false,
                used_at,
            });
        }
        Ok(())
    }

    /// Folds the next event of the partition.
    pub fn fold(
        &mut self,
        position: u64,
        published_ms: u64,
        event: &VisitEvent,
    ) -> Result<Folded, FoldError> {
        if position <= self.head.position {
            return Ok(Folded::Passed);
        }
        if self.is_done(position, event) {
            self.head.position = position;
            return Ok(Folded::Repeated);
        }
        self.check(published_ms, event)?;
        // The event's own times move it only afterwards: in which order its visits stand is an accident.
        let in_time_from_ms = self.head.watermark_ms.saturating_sub(LATENESS_MS);
        for visits in &event.links {
            let days = sum_up(visits, event, published_ms, in_time_from_ms);
            for (day, sums) in &days {
                self.add(position, visits, event, *day, sums);
            }
            let latest_ms = times(visits, published_ms).max().unwrap_or(0);
            self.head.watermark_ms = self.head.watermark_ms.max(latest_ms);
            let clicks = days.iter().map(|(_, sums)| sums.clicks).sum();
            self.head
                .hottest
                .add(&visits.code, clicks, self.head.watermark_ms);
        }
        self.head.position = position;
        self.head.seen.note(&line_of(event), event.seq, published_ms);
        Ok(Folded::Counted)
    }

    /// The pages that differ from what is stored.
    pub fn changed(&self) -> Vec<StoredPage> {
        let changed = self.pages.iter().filter(|(_, held)| held.changed);
        changed.map(|(key, held)| held.page.to_stored(key)).collect()
    }

    /// How many pages differ from what is stored.
    pub fn changes(&self) -> usize {
        self.pages.values().filter(|held| held.changed).count()
    }

    /// What changed is stored now.
    pub fn saved(&mut self) {
        for held in self.pages.values_mut() {
            held.changed = false;
        }
    }

    /// Lets go of pages that are stored, those that were not used for longest first, until at most `pages_max` are held.
    pub fn shed(&mut self, pages_max: usize) {
        let excess = self.pages.len().saturating_sub(pages_max);
        if excess == 0 {
            return;
        }
        let stored = self.pages.values().filter(|held| !held.changed);
        let mut uses: Vec<u64> = stored.map(|held| held.used_at).collect();
        uses.sort_unstable();
        // Half of the room is made at once, so that this is not done for each event.
        let last = uses.len().min(excess + pages_max / 2);
        let Some(&until) = last.checked_sub(1).and_then(|last| uses.get(last)) else {
            return;
        };
        self.pages.retain(|_, held| held.changed || held.used_at > until);
    }

    /// How many pages are held.
    pub fn held(&self) -> usize {
        self.pages.len()
    }

    fn is_done(&self, position: u64, event: &VisitEvent) -> bool {
        position <= self.head.position || self.head.seen.has(&line_of(event), event.seq)
    }

    fn check(&self, published_ms: u64, event: &VisitEvent) -> Result<(), FoldError> {
        let mut entries = event.links.iter().flat_map(|link| &link.visits);
        if entries.any(|entry| usize::from(entry.3) >= event.kinds.len()) {
            return Err(FoldError::KindMissing);
        }
        let missing = self
            .keys_of(published_ms, event)
            .into_iter()
            .find(|key| !self.pages.contains_key(key));
        missing.map_or(Ok(()), |key| Err(FoldError::PageMissing(Box::new(key))))
    }

    /// May have some twice.
    fn keys_of(&self, published_ms: u64, event: &VisitEvent) -> Vec<PageKey> {
        let mut keys = Vec::new();
        for visits in &event.links {
            let mut last = None;
            for day in times(visits, published_ms).map(day_of) {
                if last != Some(day) {
                    last = Some(day);
                    keys.extend(self.keys(visits, day));
                }
            }
        }
        keys
    }

    /// The pages that visits of one link on one day go into: the link's two, then the tenant's.
    fn keys(&self, visits: &LinkVisits, day: Day) -> [PageKey; 4] {
        let link = Subject::Link(visits.link);
        [
            (link, Period::Day(day)),
            (link, Period::AllTime),
            (Subject::Tenant, Period::Day(day)),
            (Subject::Tenant, Period::AllTime),
        ]
        .map(|(subject, period)| PageKey {
            tenant: visits.tenant.clone(),
            subject,
            period,
            lane: self.lane,
        })
    }

    fn add(&mut self, position: u64, visits: &LinkVisits, event: &VisitEvent, day: Day, sums: &Sums) {
        for key in self.keys(visits, day) {
            let Some(held) = self.pages.get_mut(&key) else {
                continue;
            };
            // A page that was stored before a crash may have this event already. One that this event was just added to has not: a
            // tenant's page gets each of its links.
            let added_just_now = held.changed && held.page.through == position && held.used_at == position;
            held.used_at = position;
            if held.page.through >= position && !added_just_now {
                continue;
            }
            held.changed = true;
            held.page.through = position;
            match key.period {
                Period::AllTime => held.page.add_totals(sums),
                Period::Day(_) => held.page.add_day(sums, &event.kinds),
            }
            if key.subject == Subject::Tenant && matches!(key.period, Period::Day(_)) && sums.clicks > 0 {
                held.page.rank(visits.link, &visits.code, sums.clicks);
            }
        }
    }
}

/// Whose numbers they are: a producer counts in each lane by itself.
fn line_of(event: &VisitEvent) -> String {
    format!("{}-{}", event.producer, event.lane)
}

fn times(visits: &LinkVisits, published_ms: u64) -> impl Iterator<Item = u64> {
    let latest_ms = published_ms.saturating_add(SKEW_MS);
    let from_ms = visits.from_ms;
    let after = visits.visits.iter().map(|visit| visit.0);
    after.map(move |after_ms| from_ms.saturating_add(after_ms).min(latest_ms))
}

fn sum_up(
    visits: &LinkVisits,
    event: &VisitEvent,
    published_ms: u64,
    in_time_from_ms: u64,
) -> Vec<(Day, Sums)> {
    let mut days: Vec<(Day, Sums)> = Vec::with_capacity(1);
    for (at_ms, &(_, count, visitor, index)) in times(visits, published_ms).zip(&visits.visits) {
        let Some(kind) = event.kinds.get(usize::from(index)) else {
            continue;
        };
        let day = day_of(at_ms);
        let place = days
            .iter()
            .position(|(other, _)| *other == day)
            .unwrap_or_else(|| {
                days.push((day, Sums::default()));
                days.len() - 1
            });
        let late = at_ms < in_time_from_ms;
        days[place].1.add(Entry {
            at_ms,
            count,
            visitor,
            index,
            kind,
            late,
        });
    }
    days
}
