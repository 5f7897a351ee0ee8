//! The relay of one partition, without I/O: what to read, publish and mark next.
//!
//! Of one aggregate, no event is published before those with lower positions are durable in the stream: at most one publish of an
//! aggregate is under way, it begins with the aggregate's first row that is not published, and a failed one is repeated before
//! anything behind it. A row is marked after the stream said that it is durable. What is in here may be lost at any time: another
//! relay reads the rows that are not marked and publishes them again, under the same ids.

use std::collections::{BTreeMap, BTreeSet};

use streams::Event;

/// What a relay may have under way and in memory, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Events in one publish.
    pub batch_max: usize,
    /// Bytes of data in one publish, unless its only event has more.
    pub batch_bytes_max: usize,
    /// Publishes at once, of different aggregates.
    pub publishes_max: usize,
    /// Rows in memory.
    pub window_max: usize,
    /// Pause after a failure; doubled with each further one.
    pub backoff_ms: u64,
    /// The longest pause.
    pub backoff_ms_max: u64,
    /// How long an aggregate waits whose event was refused.
    pub blocked_ms: u64,
    /// Aggregates that may wait so.
    pub blocked_max: usize,
}

/// A row that is not marked as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place: of one aggregate, in the order of commits.
    pub position: i64,
    /// What to publish; its key is the aggregate.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// There may be rows to read.
    Look,
    /// What the read brought: the first rows of the partition that are not marked, without those of the blocked aggregates.
    Rows(Vec<Row>),
    /// The read failed.
    NotRead,
    /// The stream has made the batch durable.
    Published(u64),
    /// The publish failed or its outcome is unknown: it may have stored a part.
    NotPublished(u64),
    /// The stream stored nothing of the batch and never will as it is: an event in it is too large or malformed.
    Refused(u64),
    /// The rows are marked.
    Marked,
    /// Marking failed, or its outcome is unknown.
    NotMarked,
    /// Begin nothing more but to mark what is published.
    Finish,
}

/// What to do. Each has an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Read the first rows that are not marked, in the order of their positions, without those of `blocked`.
    Read {
        /// How many.
        limit: usize,
        /// Aggregates to leave out.
        blocked: Vec<String>,
    },
    /// Publish the events in this order, as one batch.
    Publish {
        /// Its number, for the answer.
        batch: u64,
        /// What.
        events: Vec<Event>,
    },
    /// Mark these rows as published.
    Mark {
        /// Which.
        positions: Vec<i64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Publishing,
    Published,
}

#[derive(Debug)]
struct Held {
    event: Event,
    state: State,
    /// It was in a batch that was refused: it is published alone, to find the one to blame.
    alone: bool,
}

/// A read or a marking, never both: a read that began before a marking would bring back what is marked.
#[derive(Debug, PartialEq, Eq)]
enum Database {
    Idle,
    Reading,
    Marking(Vec<i64>),
}

/// A pause after failures.
#[derive(Debug, Default)]
struct Rest {
    until_ms: u64,
    failures: u32,
}

impl Rest {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.until_ms
    }

    fn begin(&mut self, now_ms: u64, bounds: &Bounds) {
        // Several that were under way together fail for one reason.
        if self.is_over(now_ms) {
            let doubled = bounds.backoff_ms.saturating_mul(1 << self.failures.min(20));
            self.failures = self.failures.saturating_add(1);
            self.until_ms = now_ms.saturating_add(doubled.min(bounds.backoff_ms_max));
        }
    }

    fn end(&mut self) {
        *self = Self::default();
    }
}

/// The state machine.
#[derive(Debug)]
pub struct Core {
    bounds: Bounds,
    rows: BTreeMap<i64, Held>,
    batches: BTreeMap<u64, Vec<i64>>,
    next_batch: u64,
    database: Database,
    /// Until when each aggregate waits whose event was refused. It stays here until one of its events is published.
    blocked: BTreeMap<String, u64>,
    publishing: Rest,
    storing: Rest,
    /// There may be rows that were not read.
    look: bool,
    finishing: bool,
}

impl Core {
    /// A relay that has just begun to lead.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            rows: BTreeMap::new(),
            batches: BTreeMap::new(),
            next_batch: 0,
            database: Database::Idle,
            blocked: BTreeMap::new(),
            publishing: Rest::default(),
            storing: Rest::default(),
            look: false,
            finishing: false,
        }
    }

    /// Takes what happened at `now_ms` (monotonic) and answers what to do now.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        match input {
            Input::Look => (self.look, self.finishing) = (true, false),
            Input::Finish => self.finishing = true,
            Input::Rows(rows) => self.read(now_ms, rows),
            Input::NotRead | Input::NotMarked => {
                self.database = Database::Idle;
                self.storing.begin(now_ms, &self.bounds);
            }
            Input::Published(batch) => self.published(batch),
            Input::NotPublished(batch) => {
                self.ready_again(batch, false);
                self.publishing.begin(now_ms, &self.bounds);
            }
            Input::Refused(batch) => self.refused(now_ms, batch),
            Input::Marked => {
                self.storing.end();
                if let Database::Marking(marked) = std::mem::replace(&mut self.database, Database::Idle) {
                    for position in marked {
                        self.rows.remove(&position);
                    }
                }
            }
        }
        self.next(now_ms)
    }

    /// Whether something is under way that will be answered.
    pub fn is_busy(&self) -> bool {
        self.database != Database::Idle || !self.batches.is_empty()
    }

    /// Whether there is more to do at once.
    pub fn has_more(&self, now_ms: u64) -> bool {
        let any = |state| self.rows.values().any(|held| held.state == state);
        let to_publish = any(State::Ready) && self.publishing.is_over(now_ms);
        let to_store = (self.look || any(State::Published)) && self.storing.is_over(now_ms);
        to_publish || to_store
    }

    /// How many aggregates wait behind an event that the stream refused.
    pub fn blocked(&self) -> usize {
        self.blocked.len()
    }

    fn read(&mut self, now_ms: u64, rows: Vec<Row>) {
        self.database = Database::Idle;
        self.storing.end();
        // Fewer than asked for: that was all, until somebody says that there is more.
        self.look = rows.len() >= self.bounds.window_max;
        for Row { position, event } in rows {
            if self.is_blocked(now_ms, &event.key) {
                continue;
            }
            self.rows.entry(position).or_insert(Held {
                event,
                state: State::Ready,
                alone: false,
            });
        }
    }

    fn published(&mut self, batch: u64) {
        self.publishing.end();
        for position in self.batches.remove(&batch).unwrap_or_default() {
            if let Some(held) = self.rows.get_mut(&position) {
                held.state = State::Published;
                self.blocked.remove(&held.event.key);
            }
        }
    }

    fn ready_again(&mut self, batch: u64, alone: bool) {
        for position in self.batches.remove(&batch).unwrap_or_default() {
            if let Some(held) = self.rows.get_mut(&position) {
                held.state = State::Ready;
                held.alone |= alone;
            }
        }
    }

    fn refused(&mut self, now_ms: u64, batch: u64) {
        let positions = self.batches.get(&batch).cloned().unwrap_or_default();
        self.ready_again(batch, true);
        let [position] = positions[..] else { return };
        let Some(key) = self.rows.get(&position).map(|held| held.event.key.clone()) else {
            return;
        };
        if self.blocked.len() >= self.bounds.blocked_max && !self.blocked.contains_key(&key) {
            self.publishing.begin(now_ms, &self.bounds);
            return;
        }
        // What waits is not held in memory: it is read again when its time has come.
        self.rows
            .retain(|_, held| held.state != State::Ready || held.event.key != key);
        self.blocked
            .insert(key, now_ms.saturating_add(self.bounds.blocked_ms));
    }

    fn is_blocked(&self, now_ms: u64, aggregate: &str) -> bool {
        self.blocked
            .get(aggregate)
            .is_some_and(|until_ms| now_ms < *until_ms)
    }

    fn next(&mut self, now_ms: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        if self.publishing.is_over(now_ms) && !self.finishing {
            while self.batches.len() < self.bounds.publishes_max {
                let Some(publish) = self.publish() else { break };
                outputs.push(publish);
            }
        }
        if self.database == Database::Idle && self.storing.is_over(now_ms) {
            outputs.extend(self.mark().or_else(|| self.look(now_ms)));
        }
        outputs
    }

    /// The next batch: rows in the order of their positions, leaving out each aggregate that has a publish under way or a row
    /// that was left out before.
    fn publish(&mut self) -> Option<Output> {
        let mut left_out: BTreeSet<&str> = self
            .rows
            .values()
            .filter(|held| held.state == State::Publishing)
            .map(|held| held.event.key.as_str())
            .collect();
        let (mut positions, mut events, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (position, held) in &self.rows {
            let key = held.event.key.as_str();
            if held.state != State::Ready || left_out.contains(key) {
                continue;
            }
            let alone = held.alone || self.blocked.contains_key(key);
            bytes += held.event.data.len();
            if !events.is_empty() && (alone || bytes > self.bounds.batch_bytes_max) {
                left_out.insert(key);
                continue;
            }
            positions.push(*position);
            events.push(held.event.clone());
            if alone || events.len() >= self.bounds.batch_max {
                break;
            }
        }
        if events.is_empty() {
            return None;
        }
        for position in &positions {
            if let Some(held) = self.rows.get_mut(position) {
                held.state = State::Publishing;
            }
        }
        let batch = self.next_batch;
        self.next_batch += 1;
        self.batches.insert(batch, positions);
        Some(Output::Publish { batch, events })
    }

    fn mark(&mut self) -> Option<Output> {
        let published = self
            .rows
            .iter()
            .filter(|(_, held)| held.state == State::Published);
        let positions: Vec<i64> = published.map(|(position, _)| *position).collect();
        if positions.is_empty() {
            return None;
        }
        self.database = Database::Marking(positions.clone());
        Some(Output::Mark { positions })
    }

    fn look(&mut self, now_ms: u64) -> Option<Output> {
        if self.finishing || !self.look || self.rows.len() > self.bounds.window_max / 2 {
            return None;
        }
        self.database = Database::Reading;
        let blocked = self.blocked.iter().filter(|(_, until_ms)| now_ms < **until_ms);
        Some(Output::Read {
            limit: self.bounds.window_max,
            blocked: blocked.map(|(aggregate, _)| aggregate.clone()).collect(),
        })
    }
}
