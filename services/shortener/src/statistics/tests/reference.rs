//! Totals counted in the plainest way: over all clicks at once, without a log.

use std::collections::{BTreeMap, BTreeSet};

use identity::Tenant;
use ids::Id;
use proptest::prelude::*;
use sketches::{HyperLogLog, Top};

use super::Store;
use super::log::{Made, again, clicks, clicks_in_time, kinds, log, minute, sizes, tenant};
use crate::statistics::{LATENESS_MS, Page, Tally, day_of};
use crate::store::statistics::{Day, Period, Subject};

/// What is counted of one subject on one day, late clicks left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exact {
    pub clicks: u64,
    pub bots: u64,
    pub late: u64,
    pub minutes: BTreeMap<u16, u64>,
    pub visitors: BTreeSet<u64>,
    pub referrers: BTreeMap<Option<String>, u64>,
    pub countries: BTreeMap<Option<String>, u64>,
    pub devices: BTreeMap<Option<String>, u64>,
    pub browsers: BTreeMap<Option<String>, u64>,
    pub links: BTreeMap<u64, u64>,
}

impl Exact {
    fn add(&mut self, made: &Made, late: bool) {
        let kind = &kinds()[usize::from(made.kind)];
        if kind.bot {
            self.bots += made.count;
            return;
        }
        if late {
            self.late += made.count;
            return;
        }
        self.clicks += made.count;
        *self.minutes.entry(minute(made.at_ms)).or_default() += made.count;
        // Nobody in particular is not one of the uniques.
        if made.visitor != 0 {
            self.visitors.insert(made.visitor);
        }
        let referrer = kind.referrer.as_deref().map(str::to_owned);
        *self.referrers.entry(referrer).or_default() += made.count;
        let country = kind.country.map(|country| country.as_str().to_owned());
        *self.countries.entry(country).or_default() += made.count;
        *self
            .devices
            .entry(Some(kind.device.as_str().to_owned()))
            .or_default() += made.count;
        *self
            .browsers
            .entry(Some(kind.browser.as_str().to_owned()))
            .or_default() += made.count;
        *self.links.entry(made.link).or_default() += made.count;
    }

    pub(super) fn uniques(&self) -> HyperLogLog {
        let mut uniques = HyperLogLog::new();
        for visitor in &self.visitors {
            uniques.insert(*visitor);
        }
        uniques
    }
}

fn exact(tally: &Tally) -> BTreeMap<Option<String>, u64> {
    let mut all: BTreeMap<Option<String>, u64> = tally
        .named()
        .map(|(name, clicks)| (Some(name.to_owned()), clicks))
        .collect();
    if tally.untold() > 0 {
        all.insert(None, tally.untold());
    }
    assert_eq!(tally.other(), 0, "there is room for these few");
    all
}

/// What the pages say, in the reference's terms; `uniques` apart, of which only a sketch is left.
fn said(page: &Page) -> (Exact, HyperLogLog) {
    let top = page.top.iter().flat_map(Top::ranked);
    let exact = Exact {
        clicks: page.clicks,
        bots: page.bots,
        late: page.late,
        minutes: page.minutes.clone(),
        visitors: BTreeSet::new(),
        referrers: exact(&page.referrers),
        countries: exact(&page.countries),
        devices: exact(&page.devices),
        browsers: exact(&page.browsers),
        // Six links of 1,024 counters a row: hardly ever do two share all four.
        links: top.map(|ranked| (ranked.item, ranked.estimate)).collect(),
    };
    (exact, page.uniques.clone())
}

/// Every day of every subject.
pub(super) type Days = BTreeMap<(Tenant, Subject, Day), Exact>;

pub(super) fn days<'a>(clicks: impl IntoIterator<Item = (&'a Made, bool)>) -> Days {
    let mut days = Days::new();
    for (made, late) in clicks {
        let link = Subject::Link(Id::from_u64(made.link).unwrap());
        for subject in [Subject::Tenant, link] {
            let key = (tenant(made.tenant), subject, day_of(made.at_ms));
            days.entry(key).or_default().add(made, late);
        }
    }
    days
}

fn assert_days(store: &Store, days: &Days) {
    let pages = store.read();
    let mut found = 0;
    for (key, page) in &pages {
        let Period::Day(day) = key.period else { continue };
        let (mut said, uniques) = said(page);
        let mut exact = days
            .get(&(key.tenant.clone(), key.subject, day))
            .map(Exact::take)
            .unwrap_or_default();
        assert_eq!(uniques, exact.uniques(), "{key:?}");
        exact.visitors.clear();
        if key.subject != Subject::Tenant {
            exact.links.clear();
            assert!(page.top.is_none());
        }
        said.links.retain(|_, clicks| *clicks > 0);
        assert_eq!(said, exact, "{key:?}");
        found += 1;
    }
    assert_eq!(found, days.len(), "there is a page for each day and no other");
}

impl Exact {
    fn take(&self) -> Self {
        Self {
            minutes: self.minutes.clone(),
            visitors: self.visitors.clone(),
            referrers: self.referrers.clone(),
            countries: self.countries.clone(),
            devices: self.devices.clone(),
            browsers: self.browsers.clone(),
            links: self.links.clone(),
            ..*self
        }
    }
}

/// The pages for all time are the sums of the days', late clicks included.
fn assert_totals(store: &Store, clicks: &[(Made, u64)]) {
    let mut totals: BTreeMap<(Tenant, Subject), (u64, u64, Option<u64>)> = BTreeMap::new();
    for (made, _) in clicks {
        let link = Subject::Link(Id::from_u64(made.link).unwrap());
        for subject in [Subject::Tenant, link] {
            let total = totals.entry((tenant(made.tenant), subject)).or_default();
            if kinds()[usize::from(made.kind)].bot {
                total.1 += made.count;
            } else {
                total.0 += made.count;
                total.2 = total.2.max(Some(made.at_ms));
            }
        }
    }
    let pages = store.read();
    for ((tenant, subject), (clicks, bots, last_at_ms)) in totals {
        let of = pages
            .iter()
            .filter(|(key, _)| (&key.tenant, key.subject) == (&tenant, subject));
        let (all, days): (Vec<_>, Vec<_>) = of.partition(|(key, _)| key.period == Period::AllTime);
        let all = all[0].1;
        assert_eq!((all.clicks, all.bots, all.last_at_ms), (clicks, bots, last_at_ms));
        assert_eq!(
            days.iter().map(|(_, day)| day.clicks + day.late).sum::<u64>(),
            clicks
        );
        assert_eq!(days.iter().map(|(_, day)| day.late).sum::<u64>(), all.late);
    }
}

proptest! {
    #[test]
    fn shuffled_within_an_hour_and_doubled_the_totals_are_those_of_an_exact_count(
        clicks in clicks_in_time(),
        sizes in sizes(),
        again in again(),
    ) {
        let store = Store::of(&log(clicks.clone(), &sizes, &again));
        assert_days(&store, &days(clicks.iter().map(|(made, _)| (made, false))));
        assert_totals(&store, &clicks);
    }

    #[test]
    fn later_ones_are_counted_apart_and_none_is_lost(
        clicks in clicks(5 * LATENESS_MS),
        again in again(),
    ) {
        // One click an event: which one is late is then seen without the fold.
        let log = log(clicks.clone(), &[1], &again);
        let mut in_order = clicks.clone();
        in_order.sort_by_key(|(made, wait_ms)| made.at_ms + wait_ms);
        let mut latest_ms = 0;
        let judged: Vec<(Made, bool)> = in_order
            .iter()
            .map(|(made, _)| {
                let late = made.at_ms + LATENESS_MS < latest_ms;
                latest_ms = latest_ms.max(made.at_ms);
                (*made, late)
            })
            .collect();
        let store = Store::of(&log);
        assert_days(&store, &days(judged.iter().map(|(made, late)| (made, *late))));
        assert_totals(&store, &clicks);
    }
}
