//! Reports against an exact count of the same range.

use std::collections::BTreeMap;

use ids::Id;
use proptest::prelude::*;

use super::Store;
use super::log::{Made, START_MS, clicks_in_time, kinds, log, tenant};
use super::reference::{Days, days};
use crate::statistics::{
    DAY_MS, Granularity, MINUTE_MS, Range, RangeError, Report, TopLinks, day_of, recent_days,
};
use crate::store::statistics::{LaneId, Period, StoredPage, Subject};

/// The first tenant's clicks, those of robots left out.
fn counted(clicks: &[(Made, u64)]) -> impl Iterator<Item = &Made> {
    let made = clicks.iter().map(|(made, _)| made);
    made.filter(|made| made.tenant == 0 && !kinds()[usize::from(made.kind)].bot)
}

/// What a log over two lanes comes to; a link is in one of them.
fn pages(clicks: &[(Made, u64)]) -> Vec<StoredPage> {
    let mut pages = Vec::new();
    for lane in 0..2 {
        let of_lane: Vec<(Made, u64)> = clicks
            .iter()
            .filter(|(made, _)| made.link % 2 == lane)
            .copied()
            .collect();
        let mut store = Store::of(&log(of_lane, &[3], &[]));
        for (_, mut page) in std::mem::take(&mut store.pages) {
            page.key.lane = LaneId {
                partition: u8::try_from(lane).unwrap(),
                generation: 0,
            };
            pages.push(page);
        }
    }
    pages
}

fn of(pages: &[StoredPage], subject: Subject) -> impl Iterator<Item = StoredPage> {
    let of = pages
        .iter()
        .filter(move |page| (&page.key.tenant, page.key.subject) == (&tenant(0), subject));
    of.cloned()
}

fn granularity() -> impl Strategy<Value = Granularity> {
    prop::sample::select(Granularity::ALL.to_vec())
}

proptest! {
    #[test]
    fn a_report_counts_exactly_what_lies_in_its_range(
        clicks in clicks_in_time(),
        from in 0_u64..2 * DAY_MS,
        length in 1_u64..DAY_MS,
        granularity in granularity(),
        now in 0_u64..2 * DAY_MS,
    ) {
        let (from_ms, now_ms) = (START_MS + from, START_MS + now);
        let range = Range::new(from_ms, from_ms + length, granularity).unwrap();
        prop_assert!(range.from_ms() <= from_ms && range.to_ms() >= from_ms + length);
        let report = Report::of(range, now_ms, of(&pages(&clicks), Subject::Tenant)).unwrap();

        let mut series = BTreeMap::<u64, u64>::new();
        for made in counted(&clicks).filter(|made| (range.from_ms()..range.to_ms()).contains(&made.at_ms)) {
            *series.entry(made.at_ms / granularity.window_ms() * granularity.window_ms()).or_default() += made.count;
        }
        prop_assert_eq!(report.clicks, series.values().sum::<u64>());
        prop_assert_eq!(report.series.len() as u64, range.points());
        for point in &report.series {
            prop_assert_eq!(point.clicks, series.get(&point.from_ms).copied().unwrap_or(0));
        }
        let hour = (now_ms / MINUTE_MS - 59) * MINUTE_MS..(now_ms / MINUTE_MS + 1) * MINUTE_MS;
        let last: u64 = counted(&clicks).filter(|made| hour.contains(&made.at_ms)).map(|made| made.count).sum();
        prop_assert_eq!(report.last_60_minutes.clicks, last);
        prop_assert_eq!(report.last_60_minutes.minutes.iter().sum::<u64>(), last);
        prop_assert_eq!(report.last_60_minutes.from_ms, hour.start);
    }

    #[test]
    fn its_breakdowns_are_those_of_the_days_it_touches(
        clicks in clicks_in_time(),
        from in 0_u64..2 * DAY_MS,
        length in 1_u64..DAY_MS,
    ) {
        let range = Range::new(START_MS + from, START_MS + from + length, Granularity::Hour).unwrap();
        let pages = pages(&clicks);
        // Twice the same pages, and those of all time with them.
        let twice = of(&pages, Subject::Tenant).chain(of(&pages, Subject::Tenant));
        let report = Report::of(range, START_MS, twice).unwrap();
        let exact: Days = days(clicks.iter().map(|(made, _)| (made, false)));
        let touched: Vec<_> = exact
            .iter()
            .filter(|((of, subject, day), _)| {
                *of == tenant(0) && *subject == Subject::Tenant && range.days().contains(day)
            })
            .map(|(_, exact)| exact)
            .collect();
        prop_assert_eq!(report.bots, touched.iter().map(|exact| exact.bots).sum::<u64>());
        prop_assert_eq!(report.uniques, touched.iter().map(|exact| exact.uniques().estimate()).sum::<u64>());
        let sum = |of: &dyn Fn(&super::reference::Exact) -> BTreeMap<Option<String>, u64>| {
            let mut sums = BTreeMap::<Option<String>, u64>::new();
            for (name, clicks) in touched.iter().flat_map(|exact| of(exact)) {
                *sums.entry(name).or_default() += clicks;
            }
            sums
        };
        for (breakdown, exact) in [
            (&report.referrers, sum(&|exact| exact.referrers.clone())),
            (&report.countries, sum(&|exact| exact.countries.clone())),
            (&report.devices, sum(&|exact| exact.devices.clone())),
            (&report.browsers, sum(&|exact| exact.browsers.clone())),
        ] {
            prop_assert_eq!(breakdown.untold, exact.get(&None).copied().unwrap_or(0));
            let items = breakdown.items.iter().map(|share| (Some(share.name.clone()), share.clicks));
            let named: BTreeMap<_, _> = items.collect();
            prop_assert!(named.iter().eq(exact.iter().filter(|(name, _)| name.is_some())));
            prop_assert!(breakdown.items.is_sorted_by(|one, next| one.clicks >= next.clicks));
        }
    }

    #[test]
    fn top_links_are_the_most_followed_of_all_lanes_and_days(clicks in clicks_in_time(), limit in 1_usize..6) {
        let pages = pages(&clicks);
        let top = TopLinks::of(of(&pages, Subject::Tenant), limit).unwrap();
        let mut exact = BTreeMap::<u64, u64>::new();
        for made in counted(&clicks) {
            *exact.entry(made.link).or_default() += made.count;
        }
        let mut ranked: Vec<(u64, u64)> = exact.iter().map(|(link, clicks)| (*clicks, *link)).collect();
        ranked.sort_by_key(|(clicks, link)| (std::cmp::Reverse(*clicks), *link));
        let found: Vec<(u64, u64)> = top.links.iter().map(|top| (top.clicks, top.link.as_u64())).collect();
        prop_assert_eq!(&found[..], &ranked[..limit.min(ranked.len())]);
        prop_assert_eq!(top.missing_max, ranked.get(limit).map_or(0, |(clicks, _)| *clicks));
        let labelled = top.links.iter().all(|top| top.code == ["code-", &top.link.to_string()].concat());
        prop_assert!(labelled);
    }
}

#[test]
fn a_links_report_has_only_its_own_clicks() {
    let made = |link, visitor| Made {
        tenant: 0,
        link,
        at_ms: START_MS,
        visitor,
        kind: 0,
        count: 2,
    };
    let pages = pages(&[(made(1, 1), 0), (made(3, 1), 0), (made(3, 2), 0)]);
    let range = Range::new(START_MS, START_MS + 1, Granularity::Day).unwrap();
    let clicks = |link| {
        let subject = Subject::Link(Id::from_u64(link).unwrap());
        let report = Report::of(range, START_MS, of(&pages, subject)).unwrap();
        (report.clicks, report.uniques)
    };
    assert_eq!((clicks(1), clicks(3), clicks(2)), ((2, 1), (4, 2), (0, 0)));
}

#[test]
fn a_visitor_of_links_in_two_lanes_is_one_visitor_of_the_tenant() {
    let made = |link| {
        (
            Made {
                tenant: 0,
                link,
                at_ms: START_MS,
                visitor: 7,
                kind: 0,
                count: 1,
            },
            0,
        )
    };
    let pages = pages(&[made(1), made(2)]);
    assert_eq!(
        pages
            .iter()
            .filter(|page| page.key.period == Period::AllTime)
            .count(),
        4
    );
    let range = Range::new(START_MS, START_MS + 1, Granularity::Day).unwrap();
    let report = Report::of(range, START_MS, of(&pages, Subject::Tenant)).unwrap();
    assert_eq!((report.clicks, report.uniques), (2, 1));
}

#[test]
fn ranges_are_whole_windows_and_bounded() {
    let hours = Range::new(START_MS + 1, START_MS + 60 * MINUTE_MS + 1, Granularity::Hour).unwrap();
    assert_eq!(
        (hours.from_ms(), hours.to_ms(), hours.points()),
        (START_MS, START_MS + 120 * MINUTE_MS, 2)
    );
    assert_eq!(hours.days(), day_of(START_MS)..=day_of(START_MS));
    let day = Range::new(START_MS, START_MS + DAY_MS, Granularity::Day).unwrap();
    assert_eq!(day.days(), day_of(START_MS)..=day_of(START_MS));
    let refused = |from_ms, to_ms, granularity| Range::new(from_ms, to_ms, granularity).unwrap_err();
    assert_eq!(refused(START_MS, START_MS, Granularity::Day), RangeError::Empty);
    assert_eq!(refused(0, START_MS, Granularity::Day), RangeError::Outside);
    assert_eq!(refused(START_MS, u64::MAX, Granularity::Day), RangeError::Outside);
    assert_eq!(
        refused(START_MS, START_MS + 401 * DAY_MS, Granularity::Day),
        RangeError::TooLong
    );
    assert_eq!(
        refused(START_MS, START_MS + 2 * DAY_MS, Granularity::Minute),
        RangeError::TooLong
    );
    assert!(Range::new(START_MS, START_MS + 400 * DAY_MS, Granularity::Day).is_ok());
    assert!(Range::new(START_MS, START_MS + DAY_MS, Granularity::Minute).is_ok());
}

#[test]
fn the_last_hour_may_lie_in_two_days() {
    let day = day_of(START_MS);
    assert_eq!(recent_days(START_MS + 59 * MINUTE_MS), day..=day);
    assert_eq!(recent_days(START_MS + 59 * MINUTE_MS - 1), day - 1..=day);
}
