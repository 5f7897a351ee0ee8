//! From the stream of visits into the statistics: a batch of events is folded into pages, these are stored, and then the head.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clock::SharedClock;
use streams::{BatchHandler, Claim, Delivery, Handled, HandlerError, Partition};
use telemetry::{Span, Telemetry};
use tokio::time::Instant;

use super::spans::consumer_spans;
use crate::clicks::{VISITS, VISITS_GROUP, VisitEvent};
use crate::config::StatisticsSettings;
use crate::metrics::Metrics;
use crate::statistics::{Folded, Head, Projection};
use crate::store::StoreError;
use crate::store::statistics::{LaneId, StatisticsStore};

/// A batch that takes so many times its time is begun again: below the time after which the consumer gives a handler up.
const TIMES_MAX: u32 = 3;

/// Folds the events of each partition. What it remembers between two batches is what the store has, or nothing: after a failure,
/// and under another claim, it begins from the stored head.
pub(crate) struct ProjectVisits {
    /// The port.
    pub store: Arc<dyn StatisticsStore>,
    /// Says how long a click was on its way.
    pub clock: SharedClock,
    /// Makes the consumer spans.
    pub telemetry: Telemetry,
    /// What is counted.
    pub metrics: Metrics,
    /// The bounds.
    pub settings: StatisticsSettings,
    /// How long one batch may take before it is cut short: the rest is the next one.
    pub time_max: Duration,
    /// The lanes that this process holds.
    pub lanes: Lanes,
}

/// What is remembered of each partition. Whoever works on one has taken it out.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<HashMap<Partition, Lane>>);

/// A projection under the claim it was resumed under: another holder may have gone on since.
#[derive(Debug)]
struct Lane {
    epoch: u64,
    projection: Projection,
}

impl Lanes {
    fn take(&self, claim: &Claim) -> Option<Projection> {
        let lane = self.lock().remove(&claim.partition)?;
        (lane.epoch == claim.epoch).then_some(lane.projection)
    }

    fn keep(&self, claim: &Claim, projection: Projection) {
        let epoch = claim.epoch;
        self.lock().insert(claim.partition, Lane { epoch, projection });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Partition, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch on its way into the store.
struct Work<'a> {
    worker: &'a ProjectVisits,
    claim: &'a Claim,
    projection: Projection,
    /// Of what was folded and is not stored yet.
    folded: Vec<Counted>,
    /// Deliveries whose effect is stored.
    stored: usize,
}

/// An event that was folded.
struct Counted {
    clicks: u64,
    first_at_ms: Option<u64>,
    spans: Vec<Span>,
}

/// Why a batch ended before its end.
enum Stop {
    /// The next event is no fault of ours.
    Poison(&'static str),
    /// The store.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[async_trait]
impl BatchHandler for ProjectVisits {
    async fn handle(&self, claim: &Claim, batch: &[Delivery]) -> Handled {
        let projection = match self.lanes.take(claim) {
            Some(projection) => projection,
            None => match self.resume(claim.partition).await {
                Ok(projection) => projection,
                Err(error) => return Handled::until(0, unavailable(&error)),
            },
        };
        let work = Work {
            worker: self,
            claim,
            projection,
            folded: Vec::new(),
            stored: 0,
        };
        // A store that is merely slow is no fault of the events: no delivery of theirs is to be used up by waiting for it.
        let bounded = tokio::time::timeout(self.time_max.saturating_mul(TIMES_MAX), work.all(batch)).await;
        bounded.unwrap_or_else(|_| {
            let slow = "the store took too long for a batch of visits";
            Handled::until(0, HandlerError::Unavailable(slow.to_owned()))
        })
    }
}

impl ProjectVisits {
    async fn resume(&self, partition: Partition) -> Result<Projection, StoreError> {
        let Some(stored) = self.store.head(partition.number()).await? else {
            let first = LaneId {
                partition: partition.number(),
                generation: 0,
            };
            return Ok(Projection::resume(first, Head::default()));
        };
        Ok(Projection::resume(stored.lane, Head::from_stored(&stored)?))
    }

    fn tell(&self, counted: &Counted) {
        self.metrics.clicks_counted.inc_by(counted.clicks);
        if let Some(first_at_ms) = counted.first_at_ms {
            let lag = Duration::from_millis(self.clock.unix_ms().saturating_sub(first_at_ms));
            self.metrics.click_lag.observe(lag.as_secs_f64());
        }
    }
}

impl Work<'_> {
    async fn all(mut self, batch: &[Delivery]) -> Handled {
        let until = Instant::now() + self.worker.time_max;
        let mut folded = 0;
        let mut stop = None;
        for delivery in batch {
            // At least one: else a slow store would be asked for ever.
            if folded > 0 && Instant::now() >= until {
                break;
            }
            if let Err(why) = self.one(delivery, folded).await {
                stop = Some(why);
                break;
            }
            folded += 1;
        }
        if !matches!(stop, Some(Stop::Store(_)))
            && let Err(error) = self.save(folded).await
        {
            stop = Some(Stop::Store(error));
        }
        let failure = match stop {
            None => None,
            Some(Stop::Poison(why)) => Some(HandlerError::Poison(why.to_owned())),
            Some(Stop::Store(error)) => {
                for span in self.folded.iter_mut().flat_map(|counted| &mut counted.spans) {
                    span.fail(error.code());
                }
                // What is here may be ahead of the store: the next try begins from what the store has.
                return Handled::until(self.stored, unavailable(&error));
            }
        };
        self.worker.lanes.keep(self.claim, self.projection);
        Handled {
            events: self.stored,
            failure,
        }
    }

    /// Folds an event, before which `done` of the batch are folded.
    async fn one(&mut self, delivery: &Delivery, done: usize) -> Result<(), Stop> {
        // The reader's message may quote the data.
        let event: VisitEvent = delivery
            .event
            .decode()
            .map_err(|_| Stop::Poison("no event of visits"))?;
        if names_missing_kinds(&event) {
            return Err(Stop::Poison("its visits name kinds that it does not have"));
        }
        let (position, published_ms) = (delivery.position.0, delivery.published_ms);
        if self
            .projection
            .is_of_replaced_stream(position, published_ms, &event)
        {
            self.save(done).await?;
            self.begin_next_generation();
        }
        let wanted = self.projection.wanted(position, published_ms, &event);
        if !wanted.is_empty() {
            let pages = self.worker.store.pages(&wanted).await?;
            self.projection.supply(wanted, pages)?;
        }
        let outcome = self.projection.fold(position, published_ms, &event);
        match outcome.map_err(|_| Stop::Poison("it cannot be folded"))? {
            Folded::Counted => self.folded.push(Counted {
                clicks: event.clicks(),
                first_at_ms: event.first_at_ms(),
                spans: consumer_spans(
                    &self.worker.telemetry,
                    &event.traces,
                    VISITS,
                    VISITS_GROUP,
                    &delivery.event.id,
                ),
            }),
            // Redelivered after a crash between the head and the acknowledgement, or published twice.
            Folded::Passed | Folded::Repeated => {}
        }
        if self.projection.changes() >= self.worker.settings.pages_max.div_ceil(2) {
            self.save(done + 1).await?;
        }
        Ok(())
    }

    /// The stream was made anew: its positions begin again, and so do the pages of this partition, beside those that were.
    fn begin_next_generation(&mut self) {
        let lane = self.projection.lane();
        let next = LaneId {
            generation: lane.generation + 1,
            ..lane
        };
        tracing::warn!(
            partition = lane.partition,
            generation = next.generation,
            "the stream of visits was replaced: its statistics go on beside those of the former one"
        );
        let head = self.projection.head().clone().of_next_generation();
        self.projection = Projection::resume(next, head);
    }

    /// Stores what `done` deliveries changed, the head last.
    async fn save(&mut self, done: usize) -> Result<(), StoreError> {
        if done > self.stored {
            let (pages, head) = (self.projection.changed(), self.projection.stored_head());
            let put = self.worker.store.put(&pages, Some(&head));
            match self
                .folded
                .iter()
                .flat_map(|counted| &counted.spans)
                .find_map(Span::context)
            {
                Some(context) => context.scope(put).await?,
                None => put.await?,
            }
            self.projection.saved();
            self.stored = done;
        }
        self.projection.shed(self.worker.settings.pages_max);
        for counted in self.folded.drain(..) {
            self.worker.tell(&counted);
        }
        Ok(())
    }
}

fn names_missing_kinds(event: &VisitEvent) -> bool {
    let mut visits = event.links.iter().flat_map(|link| &link.visits);
    visits.any(|visit| usize::from(visit.3) >= event.kinds.len())
}

/// Whatever fails here is no fault of an event that could be read, so it is kept until the store works.
fn unavailable(error: &StoreError) -> HandlerError {
    HandlerError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
