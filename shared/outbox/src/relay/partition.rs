//! One partition: what the core asks for is done, and the answers are given back to it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::SharedClock;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use leases::{Duty, DutyFailed, Leadership, Pace};
use streams::{Partition, StreamError, StreamLog};

use super::{Bell, Relay};
use crate::core::{Core, Input, Output};
use crate::metrics::Metrics;
use crate::{Outbox, OutboxError, OutboxSettings};

/// After so long a step begins nothing more, so that the leader looks up.
const STEP_MS: u64 = 1_000;

/// The duty of one partition.
pub(super) struct PartitionRelay {
    outbox: Outbox,
    log: Arc<dyn StreamLog>,
    stream: String,
    settings: OutboxSettings,
    clock: SharedClock,
    metrics: Metrics,
    bell: Bell,
    partition: Partition,
    /// The term that the core is of, and the core. What a former term knew is not believed.
    term: u64,
    core: Core,
    swept: Duration,
}

/// An answer, and what kept the answer from being a better one.
type Answer = (Input, Option<DutyFailed>);

impl PartitionRelay {
    pub(super) fn new(relay: &Relay, partition: Partition) -> Self {
        Self {
            outbox: relay.outbox.clone(),
            log: Arc::clone(&relay.log),
            stream: relay.stream.clone(),
            settings: relay.settings,
            clock: Arc::clone(&relay.clock),
            metrics: relay.metrics.clone(),
            bell: relay.bell.clone(),
            partition,
            term: 0,
            core: Core::new(relay.settings.bounds()),
            swept: Duration::ZERO,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    fn done<'a>(&'a self, leadership: &'a Leadership, output: Output) -> BoxFuture<'a, Answer> {
        match output {
            Output::Read { limit, blocked } => Box::pin(self.read(limit, blocked)),
            Output::Publish { batch, events } => Box::pin(self.publish(batch, events)),
            Output::Mark { positions } => Box::pin(self.mark(leadership, positions)),
        }
    }

    async fn read(&self, limit: usize, blocked: Vec<String>) -> Answer {
        match self.outbox.unpublished(self.partition, limit, &blocked).await {
            Ok(rows) => (Input::Rows(rows), None),
            Err(error) => (Input::NotRead, Some(failed(&error))),
        }
    }

    async fn publish(&self, batch: u64, events: Vec<streams::Event>) -> Answer {
        let published = self.log.publish(&self.stream, &events).await;
        self.metrics.published(&published);
        match published {
            Ok(_) => {
                self.metrics.stored(&events, self.clock.unix_ms());
                (Input::Published(batch), None)
            }
            Err(error) if blames_an_event(&error) => {
                if let [event] = &events[..] {
                    self.metrics.refused(&event.kind);
                    tracing::error!(
                        event = event.id, kind = event.kind, aggregate = event.key, %error, code = error.code(),
                        "the stream refuses an event; its aggregate waits"
                    );
                }
                (Input::Refused(batch), None)
            }
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                (Input::NotPublished(batch), Some(DutyFailed { code, detail }))
            }
        }
    }

    async fn mark(&self, leadership: &Leadership, positions: Vec<i64>) -> Answer {
        match self
            .outbox
            .mark(leadership, &positions, self.clock.unix_ms())
            .await
        {
            Ok(()) => (Input::Marked, None),
            Err(error) => (Input::NotMarked, Some(failed(&error))),
        }
    }

    /// Deletes what is past its retention, when that is due.
    async fn sweep(&mut self, leadership: &Leadership) -> Result<(), DutyFailed> {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.swept) < Duration::from_millis(self.settings.sweep_ms) {
            return Ok(());
        }
        let now_ms = self.clock.unix_ms();
        let before_ms = now_ms.saturating_sub(self.settings.retention_ms);
        let swept = self
            .outbox
            .sweep(leadership, self.partition, before_ms, now_ms)
            .await;
        let swept = swept.map_err(|error| failed(&error))?;
        self.metrics.swept(swept);
        // A full step: there is more, so the next look sweeps again.
        if swept < crate::rows::SWEEP_MAX.unsigned_abs() {
            self.swept = now;
        }
        Ok(())
    }
}

#[async_trait]
impl Duty for PartitionRelay {
    async fn tick(&mut self, leadership: &Leadership) -> Result<Pace, DutyFailed> {
        if self.term != leadership.fence {
            self.term = leadership.fence;
            self.core = Core::new(self.settings.bounds());
        }
        self.sweep(leadership).await?;
        let end_ms = self.now_ms() + STEP_MS;
        // Taken out for the step: should it be given up half-way, the next one begins with an empty core and reads again.
        let mut core = std::mem::replace(&mut self.core, Core::new(self.settings.bounds()));
        let mut failure = None;
        {
            let mut under_way = FuturesUnordered::new();
            let begin = core.step(self.now_ms(), Input::Look);
            under_way.extend(begin.into_iter().map(|output| self.done(leadership, output)));
            while let Some((input, failed)) = under_way.next().await {
                failure = failure.or(failed);
                let now_ms = self.now_ms();
                let mut outputs = Vec::new();
                if now_ms >= end_ms || failure.is_some() {
                    outputs.extend(core.step(now_ms, Input::Finish));
                }
                outputs.extend(core.step(now_ms, input));
                under_way.extend(outputs.into_iter().map(|output| self.done(leadership, output)));
            }
        }
        let more = core.has_more(self.now_ms());
        self.metrics.blocked(self.partition, core.blocked());
        self.core = core;
        match failure {
            Some(failure) => Err(failure),
            None if more => Ok(Pace::Again),
            None => Ok(Pace::Rest),
        }
    }

    async fn woken(&mut self) {
        self.bell.of(self.partition).notified().await;
    }
}

/// Whether the stream refused the batch for what an event in it is. Anything else may pass.
fn blames_an_event(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::TooLarge { .. } | StreamError::Invalid { .. } | StreamError::BatchTooLarge { .. }
    )
}

fn failed(error: &OutboxError) -> DutyFailed {
    DutyFailed {
        code: error.code(),
        detail: error.to_string(),
    }
}
