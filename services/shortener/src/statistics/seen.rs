//! Which events of which producers were folded: exact, for as long as it matters, and small.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How long after its last event a producer is forgotten (ms of the log's clock): 30 days. Its events can come a second time only out
/// of the spool of a process that was away in between.
const PRODUCER_KEPT_MS: u64 = 30 * super::windows::DAY_MS;
/// How many producers' clocks have to have come so far before the log's clock has: each event says its time by the clock of its
/// producer, and one that is months ahead must have nobody forgotten who is still there. A producer is a start of a process, not a
/// machine: this holds for two starts with such a clock. Three, be it of one machine, agree with each other: then those are forgotten who
/// are [`PRODUCER_KEPT_MS`] behind them, and what comes a second time of these counts again.
const CLOCKS_AGREE: usize = 3;

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
            let now_ms = self.now_ms();
            self.producers
                .retain(|_, other| other.last_ms.saturating_add(PRODUCER_KEPT_MS) >= now_ms);
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
        published_ms.saturating_add(PRODUCER_KEPT_MS) < self.now_ms()
    }

    /// The log's clock: what [`CLOCKS_AGREE`] producers have reached, 0 while there are fewer. It is never set back, for those that are
    /// furthest are not forgotten.
    fn now_ms(&self) -> u64 {
        let mut clocks: BTreeMap<&str, u64> = BTreeMap::new();
        for (line, producer) in &self.producers {
            // Whoever has several lanes in this log has one clock for them.
            let whose = line.rsplit_once('-').map_or(line.as_str(), |(whose, _)| whose);
            let reached = clocks.entry(whose).or_default();
            *reached = producer.last_ms.max(*reached);
        }
        let mut reached: Vec<u64> = clocks.into_values().collect();
        reached.sort_unstable();
        reached.iter().rev().nth(CLOCKS_AGREE - 1).copied().unwrap_or(0)
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
        for new in ["a", "b", "c"] {
            seen.note(new, 1, PRODUCER_KEPT_MS);
        }
        seen.note("d", 1, PRODUCER_KEPT_MS);
        assert!(seen.has("old", 1) && !seen.may_have_forgotten(0));
        for newer in ["a", "b", "c"] {
            seen.note(newer, 2, PRODUCER_KEPT_MS + 1);
        }
        seen.note("e", 1, PRODUCER_KEPT_MS + 1);
        assert!(!seen.has("old", 1) && seen.has("a", 1) && seen.has("d", 1));
        assert_eq!(seen.producers(), 5);
        assert!(seen.may_have_forgotten(0) && !seen.may_have_forgotten(1));
    }

    #[test]
    fn a_process_whose_clock_is_far_ahead_has_nobody_forgotten() {
        let mut seen = Seen::default();
        for seq in 1..4 {
            seen.note("one", seq, 1_000);
            seen.note("other", seq, 1_000);
        }
        for line in [
            "ahead-0",
            "ahead-1",
            "ahead-2",
            "ahead-3",
            "ahead, started again-0",
        ] {
            seen.note(line, 1, 40 * PRODUCER_KEPT_MS);
        }
        seen.note("third", 1, 2_000);
        assert!(!seen.note("one", 2, 2_000) && !seen.note("other", 3, 2_000));
        assert!(!seen.may_have_forgotten(1_000));
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
