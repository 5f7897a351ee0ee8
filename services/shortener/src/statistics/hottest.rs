//! Which codes are followed most these days: what a process remembers before it says that it is ready, so that a deploy with cold
//! caches does not fall upon the store.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Codes that are kept of a lane.
const KEPT: usize = 256;
/// What is followed no more is forgotten by half in this time.
const HALVED_EACH_MS: u64 = 3_600_000;

/// Clicks by code, older ones counting less: half of them after an hour, of event time.
///
/// Places are twice as many as are kept; when all are taken, the lesser half goes at once. That is rough, and good enough for a guess at
/// what will be asked for first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hottest {
    codes: BTreeMap<String, u64>,
    halved_at_ms: u64,
}

impl Hottest {
    /// Adds clicks on a code; `at_ms` is the event time by now.
    pub(super) fn add(&mut self, code: &str, clicks: u64, at_ms: u64) {
        self.decay(at_ms);
        if let Some(count) = self.codes.get_mut(code) {
            *count = count.saturating_add(clicks);
            return;
        }
        self.codes.insert(code.to_owned(), clicks);
        if self.codes.len() > 2 * KEPT {
            let mut ranked: Vec<(String, u64)> = std::mem::take(&mut self.codes).into_iter().collect();
            ranked.sort_by_key(|(_, count)| Reverse(*count));
            ranked.truncate(KEPT);
            self.codes = ranked.into_iter().collect();
        }
    }

    fn decay(&mut self, at_ms: u64) {
        if self.codes.is_empty() {
            self.halved_at_ms = at_ms;
            return;
        }
        let halvings = at_ms.saturating_sub(self.halved_at_ms) / HALVED_EACH_MS;
        if halvings > 0 {
            self.halved_at_ms += halvings * HALVED_EACH_MS;
            let by = u32::try_from(halvings).unwrap_or(u32::MAX);
            for count in self.codes.values_mut() {
                *count = count.checked_shr(by).unwrap_or(0);
            }
            self.codes.retain(|_, count| *count > 0);
        }
    }

    /// The hottest codes of several lanes, at most `most`, the hottest first.
    pub fn of_all(lanes: impl IntoIterator<Item = Self>, most: usize) -> Vec<String> {
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for (code, count) in lanes.into_iter().flat_map(|lane| lane.codes) {
            *all.entry(code).or_default() += count;
        }
        let mut ranked: Vec<(String, u64)> = all.into_iter().collect();
        ranked.sort_by_key(|(_, count)| Reverse(*count));
        ranked.into_iter().take(most).map(|(code, _)| code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(hottest: &Hottest, most: usize) -> Vec<String> {
        Hottest::of_all([hottest.clone()], most)
    }

    #[test]
    fn the_hottest_come_first_whatever_crowd_of_others_passes_by() {
        let mut hottest = Hottest::default();
        for round in 0..2_000 {
            hottest.add("hot", 3, round);
            hottest.add("warm", 2, round);
            hottest.add(&format!("passing-{round}"), 1, round);
        }
        assert_eq!(ranked(&hottest, 2), ["hot", "warm"]);
        assert!(hottest.codes.len() <= 2 * KEPT);
    }

    #[test]
    fn where_none_is_hotter_than_the_others_half_of_them_stay() {
        let mut hottest = Hottest::default();
        for code in 0..=2 * KEPT {
            hottest.add(&format!("code-{code}"), 1, 0);
        }
        assert_eq!(hottest.codes.len(), KEPT);
    }

    #[test]
    fn yesterdays_fame_is_forgotten() {
        let mut hottest = Hottest::default();
        hottest.add("yesterday", 1_000_000, 0);
        hottest.add("today", 10, 24 * HALVED_EACH_MS);
        assert_eq!(ranked(&hottest, 1), ["today"]);
    }

    #[test]
    fn lanes_are_ranked_together() {
        let (mut one, mut other) = (Hottest::default(), Hottest::default());
        one.add("a", 5, 0);
        one.add("b", 3, 0);
        other.add("b", 3, 0);
        assert_eq!(Hottest::of_all([one, other], 9), ["b", "a"]);
    }
}
