//! Tallies of several pages together, ordered for people.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Tally;

/// Most names that are told apart in an answer.
const SHARES_MAX: usize = 500;

/// Clicks by name, over some days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Breakdown {
    /// Most clicks first, then by name; at most 500.
    pub items: Vec<Share>,
    /// Clicks of which it was not told: no referrer, no known country.
    pub untold: u64,
    /// Clicks of names that found no room.
    pub other: u64,
}

/// One name's clicks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The host, country, device or browser.
    pub name: String,
    /// Its clicks.
    pub clicks: u64,
}

/// A breakdown that is being added up.
#[derive(Debug, Default)]
pub(super) struct Adding {
    named: BTreeMap<String, u64>,
    untold: u64,
    other: u64,
}

impl Adding {
    pub(super) fn add(&mut self, tally: &Tally) {
        for (name, clicks) in tally.named() {
            if let Some(sum) = self.named.get_mut(name) {
                *sum = sum.saturating_add(clicks);
            } else {
                self.named.insert(name.to_owned(), clicks);
            }
        }
        self.untold = self.untold.saturating_add(tally.untold());
        self.other = self.other.saturating_add(tally.other());
    }

    pub(super) fn done(self) -> Breakdown {
        let shares = self
            .named
            .into_iter()
            .map(|(name, clicks)| Share { name, clicks });
        let mut items: Vec<Share> = shares.collect();
        // It keeps the order of names among those with as many clicks.
        items.sort_by_key(|share| Reverse(share.clicks));
        let too_many = items.split_off(items.len().min(SHARES_MAX));
        let other = too_many
            .iter()
            .fold(self.other, |sum, share| sum.saturating_add(share.clicks));
        Breakdown {
            items,
            untold: self.untold,
            other,
        }
    }
}
