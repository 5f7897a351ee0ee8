//! Acks and deliveries of one group in one partition.

use nats::{NatsError, Pick};

use super::progress::{Held, TRIES, key};
use super::{NatsStreamLog, READ_BYTES_MAX, record};
use crate::checks::checked_stream;
use crate::progress::READ_MAX;
use crate::{Claim, Delivery, Partition, Position, Stored, StreamError};

impl NatsStreamLog {
    /// A read of the events and one write of the progress. What this process knows of the progress is tried first: should it be
    /// out of date, the write finds out.
    pub(super) async fn ack_and_deliver(
        &self,
        claim: &Claim,
        acked: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StreamError> {
        let key = key(&claim.group, claim.partition);
        for attempt in 0..TRIES {
            let (held, revision) = self.held(claim, attempt > 0).await?;
            let mut progress = held.progress;
            progress.report(acked.map(|through| through.0));
            let batch = progress.batch(limit.min(READ_MAX));
            let events = if batch == 0 {
                Vec::new()
            } else {
                self.after(&claim.group.stream, claim.partition, progress.acked, batch)
                    .await?
            };
            let deliveries = progress.deliver(events);
            if progress == held.progress {
                return Ok(deliveries);
            }
            let after = Held {
                progress,
                ..held.clone()
            };
            if self.swap(&key, (&held, revision), after).await?.is_some() {
                self.metrics.delivered(&claim.group, deliveries.len());
                return Ok(deliveries);
            }
        }
        Err(NatsError::Contended.into())
    }

    pub(super) async fn take_back(&self, claim: &Claim, delivery: &Delivery) -> Result<(), StreamError> {
        let key = key(&claim.group, claim.partition);
        for attempt in 0..TRIES {
            let (held, revision) = self.held(claim, attempt > 0).await?;
            let mut progress = held.progress;
            progress.give_back(delivery.position.0, delivery.deliveries);
            if progress == held.progress {
                return Ok(());
            }
            let after = Held {
                progress,
                ..held.clone()
            };
            if self.swap(&key, (&held, revision), after).await?.is_some() {
                return Ok(());
            }
        }
        Err(NatsError::Contended.into())
    }

    pub(super) async fn read_after(
        &self,
        stream: &str,
        partition: Partition,
        position: u64,
        limit: u32,
    ) -> Result<Vec<Stored>, StreamError> {
        checked_stream(stream)?;
        Ok(self
            .after(stream, partition, position, limit.min(READ_MAX))
            .await?)
    }

    async fn after(
        &self,
        stream: &str,
        partition: Partition,
        position: u64,
        limit: u32,
    ) -> Result<Vec<Stored>, NatsError> {
        let pick = Pick::From {
            sequence: position.saturating_add(1),
            subject: self.partition_subject(stream, partition),
        };
        let name = self.partition_stream(stream, partition);
        match self.nats.read(&name, &pick, limit, READ_BYTES_MAX).await {
            Ok(page) => page.records.iter().map(record::stored).collect(),
            // Nothing was ever published into it.
            Err(NatsError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
