//! The port: what a stream promises, whatever the engine.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::watch;

use crate::{Event, Partition, Position, StreamError};

/// A durable log of events in [`PARTITIONS`](crate::PARTITIONS) partitions a stream, and the progress of the groups that
/// read it.
///
/// **Order.** Events of one key keep the order in which they were published; nothing is said across partitions.
///
/// **Delivery.** At least once. Each delivery is counted before it is handed out, so a handler that takes the process
/// down with it is counted too. Consumers dedupe by event id inside their effect.
///
/// **Bounds.** A stream at its limit refuses; it never drops. A batch that is refused is refused whole. Where several processes
/// publish at once, they may go past a limit by what they publish within a second.
///
/// **Unknown outcomes.** A publish that ends unknown is repeated with the same event ids: within the dedupe window they
/// are stored once. On a distributed log such a publish may have stored, of each partition's events, a beginning: never one event
/// without those before it. Repeating it stores the rest; the order of a key holds if nothing else of that key is published
/// before.
///
/// **Ids.** An id belongs to one event, its key included; an engine may compare ids within a partition only.
#[async_trait]
pub trait StreamLog: Send + Sync + std::fmt::Debug + 'static {
    /// Appends the events in their order, durable on return. An error that is not unknown says that nothing was stored. An event whose
    /// id was published to this stream within the dedupe window (or earlier in the batch) is left out and counted as a duplicate;
    /// the window goes by the clock of whoever stores.
    async fn publish(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError>;

    /// Up to `limit` events of a partition after `after`, oldest first; progress of no group is touched. Reading from
    /// [`Position::START`] to an empty answer rebuilds whatever was made of the events that are still kept.
    async fn read_from(
        &self,
        stream: &str,
        partition: Partition,
        after: Position,
        limit: u32,
    ) -> Result<Vec<Stored>, StreamError>;

    /// Renews every claim of `owner` that still holds and takes every partition that nobody holds; answers all that it
    /// holds now. A partition has one holder at a time; taking one over raises its epoch, which fences the former holder. The claims of
    /// a process that died run out, unless the engine knows that there is no other process.
    /// A group that was never seen starts before the oldest kept event.
    async fn claim(&self, group: &Group, owner: &str) -> Result<Vec<Claim>, StreamError>;

    /// How long a claim lasts unless it is renewed by claiming again.
    fn claim_lasts(&self) -> Duration;

    /// Gives the claim up, so that another may take it at once. Of a claim that is lost already, nothing happens.
    async fn release(&self, claim: &Claim) -> Result<(), StreamError>;

    /// Acks everything through `acked`, then delivers up to `limit` of the events that follow, each counted as one more
    /// delivery before it is answered. Without an ack the same events come again.
    ///
    /// The holder handles what it is given one after another; so asking again under the same claim says that of the last
    /// answer nothing past the first event without an ack was begun, and only that one's delivery stays counted. An event
    /// that was delivered before comes alone, so that a crash is counted against the one that was being handled.
    ///
    /// With `limit` 0 it only acks. [`StreamError::Fenced`] when the claim was taken over.
    async fn next(
        &self,
        claim: &Claim,
        acked: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StreamError>;

    /// Takes a delivery back whose handler only said that it must wait: acks all before it, and the delivery no longer counts. It comes
    /// again with the next [`next`](Self::next), or to the next holder. Of the same delivery this may be repeated, and of one that is
    /// acked nothing happens.
    async fn give_back(&self, claim: &Claim, delivery: &Delivery) -> Result<(), StreamError>;

    /// Sets a delivery aside as a dead letter and acks it and all before it: the letter is durable before the original counts as acked.
    /// [`StreamError::Full`] when too many wait; the event then goes on blocking its partition. An event has one letter a group, however
    /// often this is cut short; there may be one of an event that a later holder handles after all.
    async fn dead_letter(&self, claim: &Claim, delivery: &Delivery, reason: &str) -> Result<(), StreamError>;

    /// Dead letters of a stream, oldest first, with ids above `after`. `limit` is cut to 100.
    async fn dead_letters(&self, stream: &str, after: u64, limit: u32)
    -> Result<DeadLetterPage, StreamError>;

    /// Publishes a dead letter's event again, past the dedupe window, at the end of its partition, and marks the letter as
    /// replayed: a second replay is [`StreamError::NoDeadLetter`]. Every group sees the event again. On a distributed log these are two
    /// steps: a replay with an unknown outcome that is repeated after the dedupe window may publish the event once more.
    async fn replay(&self, id: u64) -> Result<(), StreamError>;

    /// How much a stream holds and how far behind each group is.
    async fn lag(&self, stream: &str) -> Result<Lag, StreamError>;

    /// Deletes what every group has acked and is past its retention; a stream that no group reads keeps everything. Works
    /// in bounded steps; call it again while `more`.
    async fn collect(&self, stream: &str) -> Result<Collected, StreamError>;

    /// Changes when an event comes into the partition: a hint to look, never a promise. A log of one machine tells of what
    /// this process publishes, a distributed one of other processes too.
    fn wakes(&self, stream: &str, partition: Partition) -> watch::Receiver<u64>;

    /// Whether the engine can store events now.
    async fn probe(&self) -> Result<(), StreamError>;
}

/// Outcome of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Events appended.
    pub stored: u32,
    /// Events left out since their id was published before.
    pub duplicates: u32,
}

/// A named reader of a stream with progress of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// The stream.
    pub stream: String,
    /// The group's name within it.
    pub name: String,
}

impl Group {
    /// The group `name` of `stream`.
    pub fn new(stream: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            name: name.into(),
        }
    }
}

/// The right to consume one partition for one group, until another takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// For whom.
    pub group: Group,
    /// Of what.
    pub partition: Partition,
    /// Raised with each new holder: the fence that every ack is checked against.
    pub epoch: u64,
}

/// An event at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the partition.
    pub position: Position,
    /// When it was stored, in Unix milliseconds by the log's clock.
    pub published_ms: u64,
    /// The event.
    pub event: Event,
}

/// An event handed out for handling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the partition.
    pub position: Position,
    /// When it was stored, in Unix milliseconds by the log's clock.
    pub published_ms: u64,
    /// How often it was delivered to this group, this time included.
    pub deliveries: u32,
    /// The event.
    pub event: Event,
}

/// An event that was given up, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Rising with time; what lists go by.
    pub id: u64,
    /// The stream it was in.
    pub stream: String,
    /// The group that failed on it.
    pub group: String,
    /// How often it was delivered.
    pub deliveries: u32,
    /// What the last failure said.
    pub reason: String,
    /// When it was given up, in Unix milliseconds.
    pub died_ms: u64,
    /// When it was published again, if it was.
    pub replayed_ms: Option<u64>,
    /// The event as it was.
    pub event: Event,
}

/// Some dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterPage {
    /// Oldest first.
    pub items: Vec<DeadLetter>,
    /// The `after` of the next page; `None` on the last.
    pub next: Option<u64>,
}

/// How full a stream is and how far behind its groups are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lag {
    /// Events held.
    pub depth: u64,
    /// Bytes held, as the engine counts them: of the data alone, or with its envelope.
    pub bytes: u64,
    /// Dead letters that were not replayed.
    pub dead_letters: u64,
    /// A line a group, by name.
    pub groups: Vec<GroupLag>,
}

/// How far behind one group is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupLag {
    /// The group's name.
    pub name: String,
    /// Events published and not acked.
    pub events: u64,
    /// How long ago the oldest of them was stored.
    pub oldest_ms: u64,
}

/// What a collection deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Events.
    pub events: u64,
    /// Replayed dead letters.
    pub dead_letters: u64,
    /// Whether there may be more to delete.
    pub more: bool,
}
