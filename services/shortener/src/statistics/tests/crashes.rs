//! Whoever folds may die anywhere, come back, or go on when he should not: the pages are the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::log::{Entry, again, clicks, log, sizes};
use super::{LANE, Store, fold};
use crate::statistics::{Head, LATENESS_MS, Projection};
use crate::store::statistics::StoredPage;

/// One stay of one worker.
#[derive(Clone, Debug)]
struct Stay {
    /// Events of each batch.
    batches: Vec<usize>,
    /// Pages that are remembered between batches.
    pages_max: usize,
    /// How many events before the end of what was stored come again at its beginning.
    again: usize,
    /// How many of its last batch's pages are stored when it dies: all of them and the head, if it is more than there are.
    stored: Index,
    head_too: bool,
    /// How many events it folds besides, of which it stores the pages, in part, when the next one is at work already.
    zombie: usize,
}

fn stays() -> impl Strategy<Value = Vec<Stay>> {
    let stay = (
        prop::collection::vec(1_usize..7, 1..5),
        0_usize..12,
        0_usize..9,
        any::<Index>(),
        any::<bool>(),
        0_usize..9,
    );
    let stay = stay.prop_map(|(batches, pages_max, again, stored, head_too, zombie)| Stay {
        batches,
        pages_max,
        again,
        stored,
        head_too,
        zombie,
    });
    prop::collection::vec(stay, 1..8)
}

/// Folds what follows on `position`, or nothing at the end.
fn fold_next(projection: &mut Projection, store: &Store, log: &[Entry], after: u64, events: usize) -> u64 {
    let next = log.iter().filter(|entry| entry.position > after).take(events);
    next.fold(after, |_, entry| {
        fold(projection, store, entry);
        entry.position
    })
}

/// Works through the whole log in these stays, again and again.
fn live_through(log: &[Entry], stays: &[Stay]) -> Store {
    let mut store = Store::default();
    let mut late: Vec<StoredPage> = Vec::new();
    for stay in stays.iter().cycle() {
        let mut projection = store.resume();
        // Acks may be lost: then events come again that are in the head already.
        let at = log
            .iter()
            .filter(|entry| entry.position <= projection.head().position)
            .count();
        let mut after = at
            .checked_sub(stay.again + 1)
            .map_or(0, |place| log[place].position);
        let mut again = at.min(stay.again + 1);
        for events in &stay.batches {
            after = fold_next(&mut projection, &store, log, after, again + *events);
            again = 0;
            store.save(&mut projection, stay.pages_max);
        }
        // What an earlier one was about to store comes when this one has stored what it made of the same events, or more.
        for page in late.drain(..) {
            store.put(page);
        }
        if log.last().is_none_or(|last| last.position == after) {
            return store;
        }
        after = fold_next(&mut projection, &store, log, after, 3);
        let changed = projection.changed();
        let stored = stay.stored.index(changed.len() + 1);
        let all = stored == changed.len();
        for page in changed.into_iter().take(stored) {
            store.put(page);
        }
        if all && stay.head_too {
            store.put_head(projection.stored_head());
        }
        // It does not know that it lost its claim: it goes on from what it remembers and what it reads.
        fold_next(&mut projection, &store, log, after, stay.zombie);
        late = projection.changed().into_iter().take(stay.zombie).collect();
    }
    store
}

proptest! {
    // Each is a hundred lives.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whenever_a_worker_dies_and_whatever_it_stored_the_pages_come_out_the_same(
        clicks in clicks(3 * LATENESS_MS),
        sizes in sizes(),
        again in again(),
        stays in stays(),
    ) {
        let log = log(clicks, &sizes, &again);
        let straight = Store::of(&log);
        let lived = live_through(&log, &stays);
        prop_assert_eq!(lived.read(), straight.read());
        prop_assert_eq!(&lived, &straight);
    }

    #[test]
    fn a_snapshot_and_the_tail_of_the_stream_are_what_is_live(
        clicks in clicks(3 * LATENESS_MS),
        sizes in sizes(),
        again in again(),
        begun in any::<Index>(),
        steps in prop::collection::vec(0_usize..4, 1..20),
    ) {
        let log = log(clicks, &sizes, &again);
        let begun = begun.index(log.len() + 1);
        // The snapshot is taken while the statistics go on: first the head, then each page as it is just then.
        let mut snapshot = Store { head: Store::of(&log[..begun]).head, pages: BTreeMap::new() };
        let mut live = Store::of(&log[..begun]);
        let mut projection = live.resume();
        let mut rest = &log[begun..];
        let keys: Vec<_> = Store::of(&log).pages.into_keys().collect();
        for (key, step) in keys.iter().zip(steps.iter().cycle()) {
            if let Some(page) = live.pages.get(key) {
                snapshot.put(page.clone());
            }
            let (now, later) = rest.split_at((*step).min(rest.len()));
            for entry in now {
                fold(&mut projection, &live, entry);
                live.save(&mut projection, 4);
            }
            rest = later;
        }
        for entry in rest {
            fold(&mut projection, &live, entry);
        }
        live.save(&mut projection, 0);
        let mut projection = snapshot.resume();
        for entry in &log {
            fold(&mut projection, &snapshot, entry);
        }
        snapshot.save(&mut projection, 0);
        prop_assert_eq!(&snapshot, &live);
        prop_assert_eq!(&snapshot, &Store::of(&log));
    }

    #[test]
    fn a_stream_that_begins_again_counts_beside_what_was_and_what_comes_out_of_the_spool_twice_counts_once(
        clicks in clicks(0),
        sizes in sizes(),
        cut in any::<Index>(),
    ) {
        let log = log(clicks, &sizes, &[]);
        let cut = cut.index(log.len());
        let mut store = Store::of(&log[..cut]);
        let head = store.head.as_ref().map(|head| Head::from_stored(head).unwrap()).unwrap_or_default();
        let next = crate::store::statistics::LaneId { generation: 1, ..LANE };
        let mut projection = Projection::resume(next, head.of_next_generation());
        // The new stream begins with events that are in the pages of the old one.
        let from = cut.saturating_sub(3);
        for (position, entry) in (1..).zip(&log[from..]) {
            let entry = Entry { position, ..entry.clone() };
            fold(&mut projection, &store, &entry);
        }
        for page in projection.changed() {
            store.put(page);
        }
        let clicks = |store: &Store| store.read().values().map(|page| page.clicks).sum::<u64>();
        prop_assert_eq!(clicks(&store), clicks(&Store::of(&log)));
    }
}
