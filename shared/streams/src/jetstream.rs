//! The log on NATS JetStream: many processes, one truth.
//!
//! - Partition `p` of stream `s` is a JetStream stream of its own, `PREFIX_ev_S_p`, which takes the subject `PREFIX.ev.S.p`. It
//!   is made with the first event. A position is a sequence there: from 1, without gaps, never reused.
//! - The progress of a group in a partition is one key `S.GROUP.p` of the bucket `PREFIX_progress`. Every change is a
//!   compare-and-set on its revision: that is the fence, and deliveries are counted by it before they are handed out.
//! - Dead letters are messages of `PREFIX_letters` at `PREFIX.letters.S.GROUP.p.POSITION`, one a subject at most; their sequence is
//!   their id. A replayed one has a mark in `PREFIX_replays` at `PREFIX.replays.S.ID`.
//!
//! **Clocks.** Times in the log and claims go by the log's clock, which the processes share as well as their machines do: one that
//! is off makes claims change hands too early or too late, and the fence holds all the same. The dedupe window goes by the
//! server's clock.

mod claims;
mod dead_letters;
mod deliver;
mod progress;
mod publish;
mod record;
mod retention;
mod room;
mod wakes;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use clock::SharedClock;
use nats::{Bucket, Nats, StreamLimits, StreamState};
use telemetry::Telemetry;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::metrics::Metrics;
use crate::wakes::Wakes;
use crate::{
    Claim, Collected, DeadLetterPage, Delivery, Event, Group, Lag, Partition, Position, Published, Stored,
    StreamError, StreamLog, StreamSettings,
};
use progress::Known;
use room::Room;

/// Bytes of events that one read holds in memory, about.
const READ_BYTES_MAX: u32 = 8 * 1_024 * 1_024;

/// Streams whose dead letters are kept at their limit; beyond it the server refuses further ones.
const STREAMS_OF_LETTERS: u64 = 16;

/// [`StreamLog`] on NATS JetStream, for any number of processes.
pub struct NatsStreamLog {
    nats: Nats,
    settings: StreamSettings,
    clock: SharedClock,
    metrics: Metrics,
    wakes: Arc<Wakes>,
    listening: AbortHandle,
    instance: String,
    progress: Bucket,
    known: Mutex<HashMap<String, Known>>,
    rooms: Mutex<HashMap<String, Arc<Room>>>,
    opened: Mutex<HashSet<(String, Partition)>>,
}

impl fmt::Debug for NatsStreamLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsStreamLog")
            .field("nats", &self.nats)
            .finish_non_exhaustive()
    }
}

impl Drop for NatsStreamLog {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl NatsStreamLog {
    /// Opens the log: makes what it keeps everything in, or gives it these settings. Claims of other processes stand.
    pub async fn open(
        nats: Nats,
        settings: StreamSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, StreamError> {
        let progress = nats.bucket("progress").await?;
        let letters = settings.dead_letters_max.saturating_mul(STREAMS_OF_LETTERS);
        for (name, per_subject_max) in [(LETTERS, 1), (REPLAYS, 1)] {
            let limits = limits(&settings, letters, per_subject_max);
            let subjects = vec![format!("{}.>", nats.subject(&[name]))];
            nats.open_stream(&nats.stream_name(name), subjects, &limits)
                .await?;
        }
        let wakes = Arc::new(Wakes::default());
        let instance = format!("{:032x}", rand::random::<u128>());
        let listening = wakes::listen(&nats, instance.clone(), Arc::clone(&wakes)).await?;
        Ok(Self {
            metrics: Metrics::of(&telemetry),
            nats,
            settings,
            clock,
            wakes,
            listening,
            instance,
            progress,
            known: Mutex::default(),
            rooms: Mutex::default(),
            opened: Mutex::default(),
        })
    }

    /// The connection behind it: health, closing.
    pub fn nats(&self) -> &Nats {
        &self.nats
    }

    fn partition_stream(&self, stream: &str, partition: Partition) -> String {
        let stream = nats::token(stream);
        format!("{}_{stream}_{partition}", self.nats.stream_name(EVENTS))
    }

    fn partition_subject(&self, stream: &str, partition: Partition) -> String {
        self.nats.subject(&[EVENTS, stream, &partition.to_string()])
    }

    /// What each partition that has ever had an event holds.
    async fn states(&self, stream: &str) -> Result<HashMap<Partition, StreamState>, StreamError> {
        let subjects = format!("{}.*", self.nats.subject(&[EVENTS, stream]));
        let streams = self.nats.streams_of(&subjects).await?;
        let partition = |name: &str| {
            let number = name.rsplit_once('_')?.1;
            Partition::new(number.parse().ok()?)
        };
        Ok(streams
            .into_iter()
            .filter_map(|(name, state)| Some((partition(&name)?, state)))
            .collect())
    }
}

/// What names of streams and subjects go on with after the prefix.
const EVENTS: &str = "ev";
const LETTERS: &str = "letters";
const REPLAYS: &str = "replays";

fn limits(settings: &StreamSettings, messages_max: u64, per_subject_max: u32) -> StreamLimits {
    StreamLimits {
        messages_max,
        // A limit in bytes would be set aside on the disk for each stream; the log counts bytes before it publishes.
        bytes_max: u64::MAX,
        window: Duration::from_millis(settings.dedupe_window_ms.max(100)),
        per_subject_max,
    }
}

#[async_trait]
impl StreamLog for NatsStreamLog {
    async fn publish(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError> {
        let began = self.clock.monotonic();
        let outcome = self.append_new(stream, events).await;
        self.metrics
            .published(stream, &outcome, self.clock.monotonic().saturating_sub(began));
        outcome
    }

    async fn read_from(
        &self,
        stream: &str,
        partition: Partition,
        after: Position,
        limit: u32,
    ) -> Result<Vec<Stored>, StreamError> {
        self.read_after(stream, partition, after.0, limit).await
    }

    async fn claim(&self, group: &Group, owner: &str) -> Result<Vec<Claim>, StreamError> {
        self.claim_free(group, owner).await
    }

    fn claim_lasts(&self) -> Duration {
        Duration::from_millis(self.settings.claim_ms)
    }

    async fn release(&self, claim: &Claim) -> Result<(), StreamError> {
        self.give_up(claim).await
    }

    async fn next(
        &self,
        claim: &Claim,
        acked: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StreamError> {
        self.ack_and_deliver(claim, acked, limit).await
    }

    async fn give_back(&self, claim: &Claim, delivery: &Delivery) -> Result<(), StreamError> {
        self.take_back(claim, delivery).await
    }

    async fn dead_letter(&self, claim: &Claim, delivery: &Delivery, reason: &str) -> Result<(), StreamError> {
        self.set_aside(claim, delivery, reason).await
    }

    async fn dead_letters(
        &self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<DeadLetterPage, StreamError> {
        self.list_dead_letters(stream, after, limit).await
    }

    async fn replay(&self, id: u64) -> Result<(), StreamError> {
        self.publish_again(id).await
    }

    async fn lag(&self, stream: &str) -> Result<Lag, StreamError> {
        self.measure(stream).await
    }

    async fn collect(&self, stream: &str) -> Result<Collected, StreamError> {
        self.delete_old(stream).await
    }

    fn wakes(&self, stream: &str, partition: Partition) -> watch::Receiver<u64> {
        self.wakes.subscribe(&nats::token(stream), partition)
    }

    async fn probe(&self) -> Result<(), StreamError> {
        Ok(self.nats.probe().await?)
    }
}
