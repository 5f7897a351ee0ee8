//! Which events of which producers were folded: exact, for as long as it matters, and small.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How long after its last event a producer is forgotten (ms of the log's clock): 30 days. Its events can come a second time only out
/// of the spool of a process that was away in between.
const PRODUCER_KEPT_MS: u64 = 30 * super::windows::DAY_MS;

/// The events that were folded, by producer and number. A producer numbers its events without gaps, so that
/// a row of them is one interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen {
    producers: BTreeMap<String, Producer>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    /// When its last event was published (Unix ms, by the log's clock).
    last_ms: u64,
    /// The first and the last number of each interval, in order, apart from each other.
    seen: Vec<(u64, u64)>,
}

impl Seen {
    /// Whether the event was noted before.
    pub fn has(&self, producer: &str, seq: u64) -> bool {
        let Some(producer) = self.producers.get(producer) else {
            return false;
        };
        let after = producer.seen.partition_point(|(first, _)| *first <= seq);
        after > 0 && producer.seen[after - 1].1 >= seq
    }

    /// Notes an event that was published at `published_ms`; `false` when it was noted before.
    pub fn note(&mut self, producer: &str, seq: u64, published_ms: u64) -> bool {
        if self.has(producer, seq) {
            return false;
        }
        if !self.producers.contains_key(producer) {
            // Seldom enough to look at all: a producer is a start of a process.
            self.producers
                .retain(|_, other| other.last_ms.saturating_add(PRODUCER_KEPT_MS) >= published_ms);
        }
        let own = self.producers.entry(producer.to_owned()).or_default();
        own.last_ms = own.last_ms.max(published_ms);
        let after = own.seen.partition_point(|(first, _)| *first <= seq);
        let joins_before = after > 0 && own.seen[after - 1].1 + 1 == seq;
        let joins_next = own.seen.get(after).is_some_and(|(first, _)| seq + 1 == *first);
        match (joins_before, joins_next) {
            (true, true) => {
                own.seen[after - 1].1 = own.seen[after].1;
                own.seen.remove(after);
            }
            (true, false) => own.seen[after - 1].1 = seq,
            (false, true) => own.seen[after].0 = seq,
            (false, false) => own.seen.insert(after, (seq, seq)),
        }
        true
    }

    /// Whether an event that was published at that time may have been noted, and forgotten since.
    pub fn may_have_forgotten(&self, published_ms: u64) -> bool {
        let latest_ms = self.producers.values().map(|producer| producer.last_ms).max();
        latest_ms.is_some_and(|latest_ms| published_ms.saturating_add(PRODUCER_KEPT_MS) < latest_ms)
    }

    /// How many producers are remembered.
    pub fn producers(&self) -> usize {
        self.producers.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_a_row_are_one_interval_however_they_come() {
        let mut seen = Seen::default();
        for seq in [1, 2, 5, 4, 9, 3] {
            assert!(seen.note("a-0", seq, 7));
            assert!(!seen.note("a-0", seq, 7));
        }
        assert_eq!(
            serde_json::to_string(&seen).unwrap(),
            r#"{"a-0":{"last_ms":7,"seen":[[1,5],[9,9]]}}"#
        );
        assert!(!seen.has("a-1", 1) && !seen.has("a-0", 6) && !seen.has("a-0", 0));
    }

    #[test]
    fn a_producer_is_forgotten_long_after_its_last_event_and_no_sooner() {
        let mut seen = Seen::default();
        seen.note("old", 1, 0);
        seen.note("new", 1, PRODUCER_KEPT_MS);
        assert!(seen.has("old", 1));
        seen.note("newer", 1, PRODUCER_KEPT_MS + 1);
        assert!(!seen.has("old", 1) && seen.has("new", 1));
        assert_eq!(seen.producers(), 2);
        assert!(seen.may_have_forgotten(0) && !seen.may_have_forgotten(1));
    }

    proptest! {
        #[test]
        fn it_remembers_exactly_what_was_noted(numbers in prop::collection::vec(0_u64..60, 0..120)) {
            let mut seen = Seen::default();
            let mut reference = HashSet::new();
            for number in numbers {
                prop_assert_eq!(seen.note("p", number, 0), reference.insert(number));
            }
            for number in 0..61 {
                prop_assert_eq!(seen.has("p", number), reference.contains(&number));
            }
            let text = serde_json::to_string(&seen).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seen>(&text).unwrap(), seen);
        }
    }
}
