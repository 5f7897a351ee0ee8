//! The relay's core against a model: transactions that commit out of order, a stream that fails and repeats, relays that die at any
//! point and whose publishes arrive late.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use outbox::{Bounds, Core, Input, Output, Row};
use proptest::prelude::*;

use crate::event;

const BOUNDS: Bounds = Bounds {
    batch_max: 3,
    batch_bytes_max: 40,
    publishes_max: 2,
    window_max: 6,
    backoff_ms: 1,
    backoff_ms_max: 4,
    blocked_ms: 3,
    blocked_max: 2,
};

const AGGREGATES: usize = 4;

/// One thing that happens. What it cannot apply to, it leaves as it is.
#[derive(Debug, Clone)]
enum Step {
    /// A transaction draws a position for an event of an aggregate, unless one of that aggregate is still open.
    Append(usize),
    /// An open transaction ends: the chosen one, committed or rolled back.
    End(usize, bool),
    /// The relay's chosen request is carried out and answered.
    Answer(usize),
    /// It fails: and did nothing; or was carried out all the same; or, of a publish, only so many events were stored.
    Fail(usize, Failure),
    /// The relay dies or is stopped; the stream may still carry out what it was sent, later. Another begins.
    Takeover,
    /// A publish of a relay that is gone arrives.
    Late(usize),
    /// Time passes, and the relay looks.
    Look(u64),
}

#[derive(Debug, Clone)]
enum Failure {
    Nothing,
    Unheard,
    Partly(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let failure = prop_oneof![
        Just(Failure::Nothing),
        Just(Failure::Unheard),
        (1..3_usize).prop_map(Failure::Partly)
    ];
    prop_oneof![
        6 => (0..AGGREGATES).prop_map(Step::Append),
        6 => (0..4_usize, prop::bool::weighted(0.8)).prop_map(|(open, commits)| Step::End(open, commits)),
        8 => (0..4_usize).prop_map(Step::Answer),
        2 => (0..4_usize, failure).prop_map(|(request, failure)| Step::Fail(request, failure)),
        1 => Just(Step::Takeover),
        1 => (0..3_usize).prop_map(Step::Late),
        4 => (0..3_u64).prop_map(Step::Look),
    ]
}

/// The database, the stream, and the relay that leads.
struct World {
    now_ms: u64,
    next_position: i64,
    /// Drawn and not ended: position and aggregate.
    open: Vec<(i64, usize)>,
    /// Committed, by position; whether they are marked.
    rows: BTreeMap<i64, (Row, bool)>,
    /// What the stream holds, in its order.
    stream: Vec<Row>,
    /// Events that the stream refuses for what they are.
    poison: HashSet<String>,
    core: Core,
    under_way: Vec<Output>,
    /// Publishes that relays which are gone had sent.
    late: Vec<Vec<streams::Event>>,
}

impl World {
    fn new(poison: HashSet<String>) -> Self {
        let core = Core::new(BOUNDS);
        let (rows, stream) = (BTreeMap::new(), Vec::new());
        let (open, under_way, late) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            now_ms: 0,
            next_position: 0,
            open,
            rows,
            stream,
            poison,
            core,
            under_way,
            late,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(aggregate) => {
                if self.open.iter().all(|(_, open)| open != aggregate) {
                    self.next_position += 1;
                    self.open.push((self.next_position, *aggregate));
                }
            }
            Step::End(open, commits) => {
                if let Some(place) = place(*open, self.open.len()) {
                    let (position, aggregate) = self.open.remove(place);
                    if *commits {
                        let row = Row {
                            position,
                            event: event(position, &aggregate.to_string()),
                        };
                        self.rows.insert(position, (row, false));
                    }
                }
            }
            Step::Answer(request) => self.answer(*request, None),
            Step::Fail(request, failure) => self.answer(*request, Some(failure)),
            Step::Takeover => {
                let sent = self.under_way.drain(..).filter_map(|output| match output {
                    Output::Publish { events, .. } => Some(events),
                    _ => None,
                });
                self.late.extend(sent);
                self.core = Core::new(BOUNDS);
                self.input(Input::Look);
            }
            Step::Late(publish) => {
                if let Some(place) = place(*publish, self.late.len()) {
                    let events = self.late.remove(place);
                    if !self.refuses(&events) {
                        self.store(&events);
                    }
                }
            }
            Step::Look(ms) => {
                self.now_ms += ms;
                self.input(Input::Look);
            }
        }
    }

    fn input(&mut self, input: Input) {
        let outputs = self.core.step(self.now_ms, input);
        for output in &outputs {
            if let Output::Publish { events, .. } = output {
                assert!(!events.is_empty() && events.len() <= BOUNDS.batch_max);
                let keys: BTreeSet<&str> = events.iter().map(|event| event.key.as_str()).collect();
                let others = self.under_way.iter().filter_map(|output| match output {
                    Output::Publish { events, .. } => Some(events),
                    _ => None,
                });
                for other in others.flatten() {
                    assert!(
                        !keys.contains(other.key.as_str()),
                        "two publishes of one aggregate at once"
                    );
                }
            }
            self.under_way.push(output.clone());
        }
        let publishes = self
            .under_way
            .iter()
            .filter(|output| matches!(output, Output::Publish { .. }))
            .count();
        assert!(
            publishes <= BOUNDS.publishes_max && self.under_way.len() - publishes <= 1,
            "{:?}",
            self.under_way
        );
        assert_eq!(self.core.is_busy(), !self.under_way.is_empty());
    }

    fn answer(&mut self, request: usize, failure: Option<&Failure>) {
        let Some(place) = place(request, self.under_way.len()) else {
            return;
        };
        let carried_out = !matches!(failure, Some(Failure::Nothing));
        let input = match self.under_way.remove(place) {
            Output::Read { .. } if failure.is_some() => Input::NotRead,
            Output::Read { limit, blocked } => Input::Rows(
                self.rows
                    .values()
                    .filter(|(row, marked)| !marked && !blocked.contains(&row.event.key))
                    .map(|(row, _)| row.clone())
                    .take(limit)
                    .collect(),
            ),
            Output::Publish { batch, events } if self.refuses(&events) => match failure {
                None => Input::Refused(batch),
                Some(_) => Input::NotPublished(batch),
            },
            Output::Publish { batch, events } => {
                match failure {
                    Some(Failure::Nothing) => {}
                    // Of one partition, a beginning: never an event without those before it.
                    Some(Failure::Partly(stored)) => self.store(&events[..(*stored).min(events.len())]),
                    Some(Failure::Unheard) | None => self.store(&events),
                }
                if failure.is_none() {
                    Input::Published(batch)
                } else {
                    Input::NotPublished(batch)
                }
            }
            Output::Mark { positions } => {
                if carried_out {
                    for position in positions {
                        let (row, marked) = self.rows.get_mut(&position).expect("marked rows are there");
                        assert!(self.stream.contains(row), "marked before the stream had it");
                        *marked = true;
                    }
                }
                if failure.is_none() {
                    Input::Marked
                } else {
                    Input::NotMarked
                }
            }
        };
        self.input(input);
    }

    fn refuses(&self, events: &[streams::Event]) -> bool {
        events.iter().any(|event| self.poison.contains(&event.id))
    }

    /// The stream takes an id once.
    fn store(&mut self, events: &[streams::Event]) {
        for event in events {
            let position: i64 = event.id.parse().unwrap();
            let row = self.rows[&position].0.clone();
            if !self.stream.contains(&row) {
                self.stream.push(row);
            }
        }
    }

    /// Whether the row stands behind one of its aggregate that the stream refuses.
    fn is_held_back(&self, row: &Row) -> bool {
        let of_aggregate = self
            .rows
            .values()
            .filter(|(other, _)| other.event.key == row.event.key);
        of_aggregate
            .filter(|(other, _)| other.position <= row.position)
            .any(|(other, _)| self.poison.contains(&other.event.id))
    }

    /// Of each aggregate, what is in the stream is a beginning of what was committed, in the order of commits.
    fn assert_in_order(&self) {
        for aggregate in 0..AGGREGATES {
            let key = aggregate.to_string();
            let of_aggregate = |row: &&Row| row.event.key == key;
            let streamed: Vec<i64> = self
                .stream
                .iter()
                .filter(of_aggregate)
                .map(|row| row.position)
                .collect();
            let committed = self
                .rows
                .values()
                .map(|(row, _)| row)
                .filter(of_aggregate)
                .map(|row| row.position);
            let committed: Vec<i64> = committed.take(streamed.len()).collect();
            assert_eq!(streamed, committed, "aggregate {key}");
        }
    }

    /// Without further faults everything gets where it belongs.
    fn settle(&mut self) {
        while !self.open.is_empty() {
            self.step(&Step::End(0, true));
        }
        for _ in 0..400 {
            while !self.under_way.is_empty() {
                self.answer(0, None);
            }
            self.step(&Step::Look(2));
        }
    }
}

fn place(chosen: usize, of: usize) -> Option<usize> {
    (of > 0).then(|| chosen % of)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_dies_or_fails_each_event_gets_into_the_stream_once_and_in_order(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut world = World::new(HashSet::new());
        for step in &steps {
            world.step(step);
            world.assert_in_order();
        }
        world.settle();
        world.assert_in_order();
        for (row, marked) in world.rows.values() {
            prop_assert!(*marked, "{} is not marked", row.position);
        }
        prop_assert_eq!(world.stream.len(), world.rows.len());
    }

    #[test]
    fn an_event_that_the_stream_refuses_holds_back_its_aggregate_and_no_other(
        steps in prop::collection::vec(step(), 1..150),
        poison in prop::collection::hash_set(1..40_u32, 1..3),
    ) {
        let mut world = World::new(poison.iter().map(ToString::to_string).collect());
        for step in &steps {
            world.step(step);
            world.assert_in_order();
        }
        world.settle();
        world.assert_in_order();
        for (row, marked) in world.rows.values() {
            prop_assert_eq!(*marked, !world.is_held_back(row), "{}", row.position);
        }
        // Once they are taken, everything behind them follows.
        world.poison.clear();
        world.settle();
        world.assert_in_order();
        prop_assert!(world.rows.values().all(|(_, marked)| *marked));
        prop_assert_eq!(world.core.blocked(), 0);
    }
}
