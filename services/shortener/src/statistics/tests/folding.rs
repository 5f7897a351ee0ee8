//! Single rules of the fold.

use super::log::{Entry, Made, START_MS, event, kinds, tenant};
use super::{LANE, Store, fold};
use crate::statistics::{
    DAY_MS, FoldError, Folded, Head, LATENESS_MS, MINUTE_MS, Page, Projection, SKEW_MS, Totals, day_of,
};
use crate::store::statistics::{PageKey, Period, StoredPage, Subject};

const NOON_MS: u64 = START_MS + DAY_MS / 2;

fn made(at_ms: u64, visitor: u64, kind: u16) -> Made {
    Made {
        tenant: 0,
        link: 1,
        at_ms,
        visitor,
        kind,
        count: 1,
    }
}

fn entry(position: u64, published_ms: u64, clicks: &[Made]) -> Entry {
    Entry {
        position,
        published_ms,
        event: event(0, position, clicks),
    }
}

fn page(store: &Store, subject: Subject, period: Period) -> Page {
    let key = PageKey {
        tenant: tenant(0),
        subject,
        period,
        lane: LANE,
    };
    Page::from_stored(&store.pages[&key]).unwrap()
}

#[test]
fn a_click_an_hour_behind_is_corrected_and_one_behind_that_is_late() {
    let store = Store::of(&[
        entry(1, NOON_MS, &[made(NOON_MS, 1, 0)]),
        entry(
            2,
            NOON_MS,
            &[
                made(NOON_MS - LATENESS_MS, 2, 0),
                made(NOON_MS - LATENESS_MS - 1, 3, 0),
            ],
        ),
    ]);
    let day = page(&store, Subject::Tenant, Period::Day(day_of(NOON_MS)));
    assert_eq!((day.clicks, day.late), (2, 1));
    assert_eq!(day.minutes.into_iter().collect::<Vec<_>>(), [(660, 1), (720, 1)]);
    let all = page(&store, Subject::Tenant, Period::AllTime);
    assert_eq!((all.clicks, all.late), (3, 1));
}

#[test]
fn a_clock_that_runs_ahead_makes_nobody_elses_clicks_late() {
    let store = Store::of(&[
        entry(1, NOON_MS, &[made(NOON_MS + 10 * DAY_MS, 1, 0)]),
        entry(2, NOON_MS, &[made(NOON_MS - 50 * MINUTE_MS, 2, 0)]),
    ]);
    let day = page(&store, Subject::Tenant, Period::Day(day_of(NOON_MS)));
    assert_eq!((day.clicks, day.late), (2, 0));
    assert_eq!(day.minutes.keys().max(), Some(&725));
    assert_eq!(store.resume().head().watermark_ms, NOON_MS + SKEW_MS);
}

#[test]
fn days_are_utc_days_and_an_event_may_touch_two() {
    let store = Store::of(&[entry(
        1,
        START_MS + 9,
        &[made(START_MS - 1, 1, 0), made(START_MS, 1, 0)],
    )]);
    for (day, minute) in [(day_of(START_MS) - 1, 1_439), (day_of(START_MS), 0)] {
        let page = page(&store, Subject::Tenant, Period::Day(day));
        assert_eq!(page.minutes.into_iter().collect::<Vec<_>>(), [(minute, 1)]);
        assert_eq!(page.uniques.estimate(), 1);
    }
    assert_eq!(page(&store, Subject::Tenant, Period::AllTime).clicks, 2);
}

#[test]
fn robots_are_counted_apart_and_move_no_last_click() {
    let bot = 4;
    assert!(kinds()[usize::from(bot)].bot);
    let store = Store::of(&[entry(
        1,
        NOON_MS,
        &[made(NOON_MS - 5, 1, 0), made(NOON_MS, 2, bot)],
    )]);
    let day = page(&store, Subject::Tenant, Period::Day(day_of(NOON_MS)));
    assert_eq!((day.clicks, day.bots, day.uniques.estimate()), (1, 1, 1));
    let mut totals = Totals::default();
    totals.add(&page(&store, Subject::Tenant, Period::AllTime));
    assert_eq!(
        (totals.clicks, totals.bots, totals.last_at_ms),
        (1, 1, Some(NOON_MS - 5))
    );
}

#[test]
fn an_event_that_comes_again_is_told_apart_from_one_that_was_passed() {
    let first = entry(1, NOON_MS, &[made(NOON_MS, 1, 0)]);
    let store = Store::of(std::slice::from_ref(&first));
    let mut projection = store.resume();
    assert_eq!(fold(&mut projection, &store, &first), Folded::Passed);
    let again = Entry { position: 2, ..first };
    assert_eq!(fold(&mut projection, &store, &again), Folded::Repeated);
    assert_eq!(projection.head().position, 2);
    assert_eq!(projection.changes(), 0);
    let next = Entry {
        event: event(0, 2, &[made(NOON_MS, 1, 0)]),
        position: 3,
        ..again
    };
    assert_eq!(fold(&mut projection, &store, &next), Folded::Counted);
    assert_eq!(projection.changes(), 4);
}

#[test]
fn another_event_at_a_position_that_was_folded_is_of_a_stream_that_began_again() {
    let first = entry(1, NOON_MS, &[made(NOON_MS, 1, 0)]);
    let projection = Store::of(std::slice::from_ref(&first)).resume();
    assert!(!projection.is_of_replaced_stream(1, NOON_MS, &first.event));
    let other = event(1, 1, &[made(NOON_MS, 1, 0)]);
    assert!(projection.is_of_replaced_stream(1, NOON_MS, &other));
    assert!(!projection.is_of_replaced_stream(2, NOON_MS, &other));
    // Of an event of long ago nobody knows any more, once there are clocks enough to say how long ago it is.
    assert!(projection.is_of_replaced_stream(1, NOON_MS - 31 * DAY_MS, &other));
    let log: Vec<Entry> = (1_u8..4)
        .map(|number| Entry {
            event: event(number, 1, &[made(NOON_MS, 1, 0)]),
            ..entry(number.into(), NOON_MS, &[])
        })
        .collect();
    let projection = Store::of(&log).resume();
    let other = event(7, 1, &[made(NOON_MS, 1, 0)]);
    assert!(projection.is_of_replaced_stream(1, NOON_MS, &other));
    assert!(!projection.is_of_replaced_stream(1, NOON_MS - 31 * DAY_MS, &other));
}

#[test]
fn what_cannot_be_folded_changes_nothing() {
    let good = entry(1, NOON_MS, &[made(NOON_MS, 1, 0)]);
    let mut projection = Projection::resume(LANE, Head::default());
    let missing = projection.fold(1, NOON_MS, &good.event);
    assert!(matches!(missing, Err(FoldError::PageMissing(_))), "{missing:?}");
    let mut bad = good.event.clone();
    bad.kinds.clear();
    let wanted = projection.wanted(1, NOON_MS, &good.event);
    projection
        .supply(wanted.clone(), vec![None; wanted.len()])
        .unwrap();
    assert_eq!(projection.fold(1, NOON_MS, &bad), Err(FoldError::KindMissing));
    assert_eq!((projection.head(), projection.changes()), (&Head::default(), 0));
    assert_eq!(projection.fold(1, NOON_MS, &good.event), Ok(Folded::Counted));
}

#[test]
fn a_page_that_is_held_is_not_taken_for_what_is_stored() {
    let first = entry(1, NOON_MS, &[made(NOON_MS, 1, 0)]);
    let mut projection = Projection::resume(LANE, Head::default());
    fold(&mut projection, &Store::default(), &first);
    let keys: Vec<PageKey> = projection.changed().into_iter().map(|page| page.key).collect();
    let nothing = vec![None; keys.len()];
    projection.supply(keys, nothing).unwrap();
    assert_eq!(
        projection
            .changed()
            .iter()
            .map(|page| page.through)
            .collect::<Vec<_>>(),
        [1; 4]
    );
}

#[test]
fn pages_that_are_not_stored_yet_are_never_let_go_and_the_oldest_go_first() {
    let mut projection = Projection::resume(LANE, Head::default());
    let store = Store::default();
    for link in 1..=10 {
        let click = Made {
            link,
            ..made(NOON_MS, 1, 0)
        };
        fold(&mut projection, &store, &entry(link, NOON_MS, &[click]));
    }
    assert_eq!(projection.held(), 22);
    projection.shed(1);
    assert_eq!(projection.held(), 22);
    projection.saved();
    projection.shed(8);
    assert!((2..=8).contains(&projection.held()), "{}", projection.held());
    // The tenant's pages were in every event.
    let again = event(1, 1, &[made(NOON_MS, 1, 0)]);
    assert!(
        projection
            .wanted(99, NOON_MS, &again)
            .iter()
            .all(|key| key.subject != Subject::Tenant)
    );
}

#[test]
fn pages_and_heads_of_a_newer_version_can_be_read() {
    let key = PageKey {
        tenant: tenant(0),
        subject: Subject::Tenant,
        period: Period::AllTime,
        lane: LANE,
    };
    let body = br#"{"clicks":3,"moods":{"glad":2},"last_at_ms":7}"#.to_vec();
    let page = Page::from_stored(&StoredPage {
        key: key.clone(),
        through: 5,
        body,
    })
    .unwrap();
    assert_eq!((page.clicks, page.last_at_ms, page.through), (3, Some(7), 5));
    assert!(
        Page::from_stored(&StoredPage {
            key,
            through: 5,
            body: b"[".to_vec()
        })
        .is_err()
    );
    let mut head = Head::default().to_stored(LANE);
    head.body = br#"{"watermark_ms":9,"moon":"full"}"#.to_vec();
    assert_eq!(Head::from_stored(&head).unwrap().watermark_ms, 9);
}

#[test]
fn the_largest_page_of_a_tenants_day_has_64_kib_or_not_much_more() {
    let mut projection = Projection::resume(LANE, Head::default());
    let mut store = Store::default();
    for number in 0..40_u64 {
        let clicks: Vec<Made> = (0..3_000)
            .map(|of| Made {
                link: 1 + number * 100 + of % 100,
                count: 900,
                ..made(
                    START_MS + of * MINUTE_MS / 2,
                    number * 3_000 + of,
                    u16::try_from(of % 30).unwrap(),
                )
            })
            .collect();
        let mut event = event(0, number + 1, &clicks);
        event.kinds = (0..30)
            .map(|of| kind_from(&format!("host-{number}-{of}.example")))
            .collect();
        let entry = Entry {
            position: number + 1,
            published_ms: START_MS + DAY_MS,
            event,
        };
        fold(&mut projection, &store, &entry);
        store.save(&mut projection, 4);
    }
    let day = |page: &&StoredPage| page.key.subject == Subject::Tenant && page.key.period != Period::AllTime;
    let bytes = store.pages.values().find(day).unwrap().body.len();
    assert!((40_000..80_000).contains(&bytes), "{bytes}");
}

fn kind_from(host: &str) -> crate::visit::Kind {
    crate::visit::Kind {
        referrer: Some(host.into()),
        ..crate::visit::Kind::default()
    }
}
