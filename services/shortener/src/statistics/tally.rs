//! How many of each name, for at most so many names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most names of one tally.
const NAMES_MAX: usize = 500;
/// Most bytes of all its names together: names come from strangers.
const NAMES_BYTES_MAX: usize = 12_288;

/// Clicks by name. The first names that come have a count of their own, whatever comes when there is no more room is counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    named: BTreeMap<String, u64>,
    /// Of those that were not told.
    #[serde(skip_serializing_if = "is_zero")]
    untold: u64,
    /// Of names that found no room.
    #[serde(skip_serializing_if = "is_zero")]
    other: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is what serde calls")]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Tally {
    /// Adds clicks of a name, or of nobody knows which.
    pub fn add(&mut self, name: Option<&str>, clicks: u64) {
        let Some(name) = name else {
            self.untold = self.untold.saturating_add(clicks);
            return;
        };
        if let Some(count) = self.named.get_mut(name) {
            *count = count.saturating_add(clicks);
        } else if self.has_room_for(name) {
            self.named.insert(name.to_owned(), clicks);
        } else {
            self.other = self.other.saturating_add(clicks);
        }
    }

    fn has_room_for(&self, name: &str) -> bool {
        let bytes: usize = self.named.keys().map(String::len).sum();
        self.named.len() < NAMES_MAX && bytes + name.len() <= NAMES_BYTES_MAX
    }

    /// Clicks by name, in the order of names.
    pub fn named(&self) -> impl Iterator<Item = (&str, u64)> {
        self.named.iter().map(|(name, clicks)| (name.as_str(), *clicks))
    }

    /// Clicks of those that were not told.
    pub fn untold(&self) -> u64 {
        self.untold
    }

    /// Clicks of names that found no room.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.untold == 0 && self.other == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_in_number_and_bytes_and_no_click_is_lost() {
        let mut many = Tally::default();
        for number in 0..600 {
            many.add(Some(&number.to_string()), 1);
        }
        many.add(Some("3"), 5);
        many.add(None, 2);
        assert_eq!((many.named().count(), many.other(), many.untold()), (500, 100, 2));
        assert_eq!(many.named().map(|(_, clicks)| clicks).sum::<u64>(), 505);

        let mut long = Tally::default();
        for number in 0..200 {
            long.add(Some(&format!("{number:0100}")), 1);
        }
        assert_eq!((long.named().count(), long.other()), (122, 78));
        let text = serde_json::to_string(&long).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), long);
    }
}
