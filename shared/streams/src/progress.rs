//! How far a group is in a partition, and what counts as delivered: the same on every engine.

use serde::{Deserialize, Serialize};

use crate::{Delivery, Stored};

/// Events read at once at most; a read holds its answer in memory.
pub(crate) const READ_MAX: u32 = 500;

/// How far a group is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Everything up to here is done.
    pub(crate) acked: u64,
    /// Everything up to here was, or may have been, given to the handler.
    pub(crate) attempted: u64,
    /// What `attempted` was when the present holder took over: of those, nobody can say which were begun.
    pub(crate) inherited: u64,
    /// Deliveries of the first event that is not done.
    pub(crate) deliveries: u32,
}

impl Progress {
    /// The holder is alive and says that everything through `done` is done. It handles one after another, so of what was
    /// delivered with it, at most the event after that was begun; the rest does not count as delivered.
    pub(crate) fn report(&mut self, done: Option<u64>) {
        let done = done.map_or(self.acked, |done| done.min(self.attempted));
        self.advance(done, done + 1);
    }

    /// The holder set the event at `position` aside; it has begun nothing after it.
    pub(crate) fn set_aside(&mut self, position: u64) {
        let position = position.min(self.attempted);
        self.advance(position, position);
    }

    /// The handler said that what it needs for the event at `position` is away, and waits: that delivery no longer counts, and
    /// nothing after it was begun. `deliveries` says which one it was, for a repetition must not take back another.
    pub(crate) fn give_back(&mut self, position: u64, deliveries: u32) {
        self.report(Some(position.saturating_sub(1)));
        if self.acked < position && self.deliveries == deliveries {
            self.deliveries = deliveries.saturating_sub(1);
            self.attempted = (self.acked + u64::from(self.deliveries > 0)).max(self.inherited);
        }
    }

    fn advance(&mut self, done: u64, begun: u64) {
        self.attempted = self.attempted.min(begun).max(self.inherited);
        if done > self.acked {
            self.acked = done;
            self.deliveries = u32::from(self.attempted > done);
        }
    }

    /// How many may be handed out together: what was delivered before goes alone, so that whatever ends the process is
    /// counted against the event that was being handled.
    pub(crate) fn batch(self, limit: u32) -> u32 {
        if self.deliveries > 0 { limit.min(1) } else { limit }
    }

    pub(crate) fn deliver(&mut self, events: Vec<Stored>) -> Vec<Delivery> {
        let Some(last) = events.last() else {
            return Vec::new();
        };
        self.attempted = self.attempted.max(last.position.0);
        self.deliveries = self.deliveries.saturating_add(1);
        let deliveries = self.deliveries;
        let delivery = |(position, stored): (usize, Stored)| Delivery {
            position: stored.position,
            published_ms: stored.published_ms,
            deliveries: if position == 0 { deliveries } else { 1 },
            event: stored.event,
        };
        events.into_iter().enumerate().map(delivery).collect()
    }
}
