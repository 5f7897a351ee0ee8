use crate::slots::Slots;
use crate::{Grant, LeaseError, LeaseStore};
use async_trait::async_trait;
use nats::{Bucket, Nats, NatsError, Swap};
use std::time::Duration;

const BUCKET: &str = "leases";
const KEY: &str = "workers";

/// Rounds of compare-and-set before a call gives up. Of those that race, one wins each round; so it is beyond the number
/// of processes that start at once.
const ROUNDS_MAX: u32 = 64;

/// The longest pause before another round, times the round: those that lost together should not meet again.
const PAUSE: Duration = Duration::from_millis(2);

/// Slots in one entry of a NATS key-value bucket. Every change is a compare-and-set of the whole table on its revision, so of those
/// that race one is first and the others look again. A table of all 1,024 slots has less than 100 KiB, and it changes
/// a few times a minute for each process.
#[derive(Debug, Clone)]
pub struct NatsLeaseStore {
    bucket: Bucket,
}

impl NatsLeaseStore {
    /// Opens the bucket, made if it is not there.
    pub async fn open(nats: &Nats) -> Result<Self, LeaseError> {
        let bucket = nats.bucket(BUCKET).await?;
        Ok(Self { bucket })
    }

    async fn change<T>(
        &self,
        change: impl Fn(&mut Slots) -> Result<T, LeaseError> + Send + Sync,
    ) -> Result<T, LeaseError> {
        for round in 1..=ROUNDS_MAX {
            let entry = self.bucket.get(KEY).await?;
            let mut slots = entry
                .as_ref()
                .map(|entry| serde_json::from_slice::<Slots>(&entry.value))
                .transpose()
                .map_err(|error| LeaseError::Damaged(error.to_string()))?
                .unwrap_or_default();
            let answer = change(&mut slots)?;
            let table = serde_json::to_vec(&slots).expect("text and numbers are always JSON");
            let swapped = match entry {
                Some(entry) => self.bucket.update(KEY, table.into(), entry.revision).await?,
                None => self.bucket.create(KEY, table.into()).await?,
            };
            if let Swap::Done(_) = swapped {
                return Ok(answer);
            }
            tokio::time::sleep(PAUSE.mul_f64(f64::from(round) * rand::random::<f64>())).await;
        }
        Err(LeaseError::Nats(NatsError::Contended))
    }
}

#[async_trait]
impl LeaseStore for NatsLeaseStore {
    async fn acquire(&self, holder: &str, now_ms: u64, issue_until_ms: u64) -> Result<Grant, LeaseError> {
        self.change(|slots| slots.acquire(holder, now_ms, issue_until_ms))
            .await
    }

    async fn renew(&self, grant: &Grant, issue_until_ms: u64) -> Result<u64, LeaseError> {
        self.change(|slots| slots.renew(grant, issue_until_ms)).await
    }

    async fn release(&self, grant: &Grant, last_issued_ms: u64) -> Result<(), LeaseError> {
        self.change(|slots| slots.release(grant, last_issued_ms)).await
    }
}
