//! The list of known bad URLs as it is now: read from a file, replaced when that changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::link::KnownBad;

/// The list. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct BadUrls(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Spares those who have no list the look at it.
    has_some: AtomicBool,
    list: ArcSwap<KnownBad>,
}

impl BadUrls {
    /// Takes another list; whoever looks from now on sees it.
    pub fn replace(&self, list: KnownBad) {
        let has_some = !list.is_empty();
        self.0.list.store(Arc::new(list));
        self.0.has_some.store(has_some, Ordering::Release);
    }

    /// Whether anything is on it.
    pub fn has_some(&self) -> bool {
        self.0.has_some.load(Ordering::Acquire)
    }

    /// Whether a URL in its normal form is on it.
    pub fn contains(&self, url: &str) -> bool {
        self.has_some() && self.0.list.load().contains(url)
    }
}
