use super::*;
use crate::model::{StatusFilter, TraceQuery};

const ALL: usize = usize::MAX;

fn span(id: u64, parent: u64, start_us: u64, duration_us: u64) -> StoredSpan {
    StoredSpan {
        id,
        parent,
        service: "shop".into(),
        name: "GET /".into(),
        route: Some("GET /".into()),
        peer: None,
        kind: Kind::Server,
        queued: false,
        failed: false,
        status: Some(200),
        start_us,
        duration_us,
        error: None,
        attributes: Box::new([("k".into(), "v".repeat(50).into_boxed_str())]),
        links: Box::new([]),
        own_names: 0,
    }
}

fn put(store: &mut TraceStore, trace: u128, span: StoredSpan) -> Calls {
    store.insert(trace, span, false, ALL).unwrap()
}

fn store() -> TraceStore {
    TraceStore::new(100)
}

fn ids(store: &TraceStore, query: &TraceQuery) -> Vec<u128> {
    let page = search(store, query);
    let all = page
        .traces
        .iter()
        .map(|trace| crate::parse_trace_id(&trace.trace_id));
    all.map(|id| id.unwrap()).collect()
}

#[test]
fn whatever_comes_and_goes_the_count_of_bytes_is_that_of_what_is_there() {
    let mut store = store();
    let mut spans = 0;
    for number in 0..5_000_u64 {
        let (trace, notable) = (u128::from(number / 3 % 900 + 1), number % 7 == 0);
        let taken = store.insert(trace, span(number + 1, number, number, 10), notable, 4 << 20);
        spans += usize::from(taken.is_ok());
        if number % 100 == 0 {
            spans -= store.shrink_to(150_000);
        }
        assert_eq!(
            store.counted_again(),
            (store.spans, store.bytes, store.notable_bytes)
        );
    }
    assert!(spans > 0 && spans == store.spans() && store.bytes <= 150_000 + 100 * 2_000);
    store.shrink_to(0);
    assert_eq!(store.counted_again(), (0, 0, 0));
    assert!(store.order.is_empty() && store.ordinary.is_empty() && store.notable.is_empty());
}

#[test]
fn the_oldest_goes_first_and_what_failed_or_was_slow_stays_longer() {
    let mut store = store();
    for trace in 1..=40 {
        store.insert(trace, span(1, 0, 1, 1), trace <= 5, ALL).unwrap();
    }
    let one = store.bytes / 40;
    assert_eq!(store.shrink_to(20 * one), 20);
    assert!((1..=5).all(|trace| store.get(trace).is_some()), "notable");
    assert!((6..=25).all(|trace| store.get(trace).is_none() && store.was_evicted(trace)));
    assert!((26..=40).all(|trace| store.get(trace).is_some()));
}

#[test]
fn what_failed_cannot_crowd_out_all_else() {
    let mut store = store();
    for trace in 1..=40 {
        store
            .insert(trace, span(1, 0, 1, 1), trace % 4 != 0, ALL)
            .unwrap();
    }
    let one = store.bytes / 40;
    store.shrink_to(20 * one);
    let kept = |trace: &u128| store.get(*trace).is_some();
    assert!(
        (1..=40).filter(|trace| trace % 4 == 0).all(|trace| kept(&trace)),
        "all ten ordinary ones"
    );
    assert!((1..=40).filter(kept).count() == 20);
}

#[test]
fn a_trace_takes_only_so_many_spans_and_so_many_bytes() {
    let mut store = TraceStore::new(10);
    let taken = (1..=20).filter(|id| store.insert(1, span(*id, 0, 1, 1), false, ALL).is_ok());
    assert_eq!(taken.count(), 10);
    assert_eq!(view(store.get(1).unwrap()).spans_refused, 10);
    let mut store = TraceStore::new(1_000_000);
    let taken = (1..=10_000).filter(|id| store.insert(1, span(*id, 0, 1, 1), false, 800_000).is_ok());
    let taken = taken.count();
    assert!(
        taken > 100 && store.bytes <= 100_000,
        "an eighth of all: {taken} in {}",
        store.bytes
    );
}

#[test]
fn a_span_that_is_sent_twice_is_there_once() {
    let mut store = store();
    put(&mut store, 1, span(7, 0, 1, 1));
    assert_eq!(
        store.insert(1, span(7, 0, 1, 1), false, ALL).unwrap_err(),
        Refused::Duplicate
    );
    let mut elsewhere = span(7, 0, 1, 1);
    elsewhere.service = "other".into();
    put(&mut store, 1, elsewhere);
    assert_eq!(
        view(store.get(1).unwrap()).spans.len(),
        2,
        "an id of another service is another span"
    );
}

#[test]
fn a_call_between_services_is_seen_whichever_side_comes_first() {
    let mut caller = span(2, 1, 10, 80);
    (caller.kind, caller.service) = (Kind::Client, "web".into());
    let served = || span(3, 2, 20, 60);
    let mut store = store();
    assert!(put(&mut store, 1, served()).calls.is_empty());
    let calls = put(&mut store, 1, caller).calls;
    assert_eq!((&*calls[0].from, &*calls[0].to), ("web", "shop"));
    let mut caller = span(2, 1, 10, 80);
    (caller.kind, caller.service) = (Kind::Client, "web".into());
    assert!(put(&mut store, 2, caller).calls.is_empty());
    assert_eq!(put(&mut store, 2, served()).calls.len(), 1);
}

#[test]
fn a_tree_shows_self_time_and_what_was_waited_for() {
    let mut store = store();
    for span in [
        span(1, 0, 1_000, 100),
        span(2, 1, 1_010, 20),
        span(3, 1, 1_020, 60),
        span(4, 3, 1_030, 10),
    ] {
        put(&mut store, 1, span);
    }
    let view = view(store.get(1).unwrap());
    let shown: Vec<_> = view
        .spans
        .iter()
        .map(|s| (s.depth, s.offset_us, s.self_us, s.critical))
        .collect();
    assert_eq!(
        shown,
        [
            (0, 0, 30, true),
            (1, 10, 20, false),
            (1, 20, 50, true),
            (2, 30, 10, true)
        ]
    );
    assert!(view.complete && view.spans[2].slowest);
}

#[test]
fn parents_that_go_in_a_circle_or_never_come_hide_no_span() {
    let mut store = store();
    for span in [
        span(1, 2, 10, 10),
        span(2, 3, 20, 10),
        span(3, 1, 30, 10),
        span(4, 4, 40, 10),
        span(5, 99, 50, 10),
        span(6, 5, 5, 500),
    ] {
        put(&mut store, 1, span);
    }
    let view = view(store.get(1).unwrap());
    let mut seen: Vec<&str> = view.spans.iter().map(|span| span.span_id.as_str()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), view.spans.len()), (6, 6));
    assert!(!view.complete);
    assert_eq!(view.spans.iter().filter(|span| span.orphan).count(), 3);
    assert!(
        view.spans.iter().any(|span| span.offset_us < 0),
        "a child that began before its parent"
    );
}

#[test]
fn a_trace_is_found_by_what_one_of_its_spans_is() {
    let mut store = store();
    for trace in 1..=9_u64 {
        let mut one = span(1, 0, 1_000, trace * 1_000);
        if trace == 4 {
            (one.failed, one.status, one.route) = (true, Some(503), Some("PUT /x".into()));
        }
        put(&mut store, trace.into(), one);
    }
    let query = TraceQuery::default();
    let with = |change: &dyn Fn(&mut TraceQuery)| {
        let mut query = query.clone();
        change(&mut query);
        ids(&store, &query)
    };
    assert_eq!(with(&|_| ()), (1..=9).rev().collect::<Vec<u128>>());
    assert_eq!(with(&|q| q.failed = true), [4]);
    assert_eq!(with(&|q| q.status = Some(StatusFilter::Class(5))), [4]);
    assert_eq!(with(&|q| q.status = Some(StatusFilter::Is(500))), [0; 0]);
    assert_eq!(with(&|q| q.route = Some("/x".into())), [4]);
    assert_eq!(with(&|q| q.route = Some("GET /x".into())), [0; 0]);
    assert_eq!(with(&|q| q.service = Some("nobody".into())), [0; 0]);
    assert_eq!(
        with(&|q| q.duration_min = Some(std::time::Duration::from_millis(8))),
        [9, 8]
    );
    assert_eq!(
        with(&|q| q.duration_max = Some(std::time::Duration::from_millis(1))),
        [1]
    );
    assert_eq!(with(&|q| (q.slowest_first, q.limit) = (true, 2)), [9, 8]);
}

#[test]
fn pages_of_a_list_hold_every_trace_once() {
    let mut store = store();
    for trace in 1..=25 {
        put(&mut store, trace, span(1, 0, 1, 1));
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let query = TraceQuery {
            limit: 10,
            before,
            ..TraceQuery::default()
        };
        seen.extend(ids(&store, &query));
        before = search(&store, &query).next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<u128>>());
}
