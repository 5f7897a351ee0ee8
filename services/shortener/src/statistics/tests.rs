//! The fold against an exact reference, over a store that forgets everything that was not put.

mod crashes;
mod folding;
mod log;
mod reference;
mod reports;

use std::collections::BTreeMap;

use self::log::Entry;
use super::{Folded, Head, Page, Projection};
use crate::store::statistics::{LaneId, PageKey, StoredHead, StoredPage};

const LANE: LaneId = LaneId {
    partition: 3,
    generation: 0,
};

/// What the port promises: of two versions the larger position wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Store {
    pages: BTreeMap<PageKey, StoredPage>,
    head: Option<StoredHead>,
}

impl Store {
    fn put(&mut self, page: StoredPage) {
        let before = self.pages.get(&page.key).map_or(0, |stored| stored.through);
        if page.through > before {
            self.pages.insert(page.key.clone(), page);
        }
    }

    fn put_head(&mut self, head: StoredHead) {
        if self
            .head
            .as_ref()
            .is_none_or(|stored| head.position > stored.position)
        {
            self.head = Some(head);
        }
    }

    fn resume(&self) -> Projection {
        let head = self.head.as_ref().map(|head| Head::from_stored(head).unwrap());
        Projection::resume(LANE, head.unwrap_or_default())
    }

    /// Stores whatever the projection has, and lets it forget pages.
    fn save(&mut self, projection: &mut Projection, pages_max: usize) {
        for page in projection.changed() {
            self.put(page);
        }
        self.put_head(projection.stored_head());
        projection.saved();
        projection.shed(pages_max);
    }

    fn read(&self) -> BTreeMap<PageKey, Page> {
        let read = |(key, stored): (&PageKey, &StoredPage)| (key.clone(), Page::from_stored(stored).unwrap());
        self.pages.iter().map(read).collect()
    }

    /// Each event stored by itself, with hardly any memory in between.
    fn of(log: &[Entry]) -> Self {
        let mut store = Self::default();
        let mut projection = store.resume();
        for entry in log {
            fold(&mut projection, &store, entry);
            store.save(&mut projection, 2);
        }
        store
    }
}

/// One event, with the pages it needs.
fn fold(projection: &mut Projection, store: &Store, entry: &Entry) -> Folded {
    let wanted = projection.wanted(entry.position, entry.published_ms, &entry.event);
    let pages = wanted.iter().map(|key| store.pages.get(key).cloned()).collect();
    projection.supply(wanted, pages).unwrap();
    projection
        .fold(entry.position, entry.published_ms, &entry.event)
        .unwrap()
}
