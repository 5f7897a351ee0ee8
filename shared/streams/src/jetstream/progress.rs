//! One key a group and partition: who holds it, and how far it is. Changed by compare-and-set only.

use std::sync::PoisonError;

use bytes::Bytes;
use nats::{Entry, NatsError, Swap};
use serde::{Deserialize, Serialize};

use super::NatsStreamLog;
use crate::progress::Progress;
use crate::{Claim, Group, Partition, StreamError};

/// Races that one change may lose before it is refused. The holder races with its own renewals only.
pub(super) const TRIES: u32 = 16;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Held {
    #[serde(flatten)]
    pub(super) progress: Progress,
    pub(super) owner: String,
    pub(super) epoch: u64,
    pub(super) lease_until_ms: u64,
}

/// What is known of a key without asking.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Its newest value that was seen, with its revision.
    current: Option<(Held, u64)>,
    /// A change whose outcome is unknown. What it counted was never handed out, so should it stand, it is taken back.
    unsure: Option<Unsure>,
}

#[derive(Debug, Clone)]
struct Unsure {
    epoch: u64,
    before: Progress,
    after: Progress,
}

pub(super) fn key(group: &Group, partition: Partition) -> String {
    format!(
        "{}.{}.{partition}",
        nats::token(&group.stream),
        nats::token(&group.name)
    )
}

impl NatsStreamLog {
    /// The claim's key as it was when this process last looked, or as it is now; refused when it is another's.
    pub(super) async fn held(&self, claim: &Claim, look: bool) -> Result<(Held, u64), StreamError> {
        let key = key(&claim.group, claim.partition);
        let known = self.with_known(&key, |known| known.current.clone());
        if let Some((held, revision)) = known.filter(|(held, _)| !look && held.epoch == claim.epoch) {
            return Ok((held, revision));
        }
        let entry = self.progress.get(&key).await?;
        let fenced = StreamError::Fenced {
            partition: claim.partition.number(),
        };
        let Some(entry) = entry else { return Err(fenced) };
        let (held, revision) = self.seen(&key, &entry)?;
        if held.epoch == claim.epoch {
            Ok((held, revision))
        } else {
            Err(fenced)
        }
    }

    /// Notes a key's value.
    pub(super) fn seen(&self, key: &str, entry: &Entry) -> Result<(Held, u64), NatsError> {
        let mut held: Held = serde_json::from_slice(&entry.value)
            .map_err(|error| NatsError::Unexpected(format!("the progress {key}: {error}")))?;
        self.with_known(key, |known| {
            if let Some(unsure) = &known.unsure
                && (unsure.epoch, unsure.after) == (held.epoch, held.progress)
            {
                held.progress = unsure.before;
            }
            known.current = Some((held.clone(), entry.revision));
        });
        Ok((held, entry.revision))
    }

    /// Replaces `before` (its revision 0: there is none yet) by `after`, and says whether nobody was faster.
    pub(super) async fn swap(
        &self,
        key: &str,
        before: (&Held, u64),
        after: Held,
    ) -> Result<Option<u64>, NatsError> {
        let value = serde_json::to_vec(&after).map_err(|error| NatsError::Unexpected(error.to_string()))?;
        let (old, revision) = before;
        let outcome = self.progress.update(key, Bytes::from(value), revision).await;
        self.with_known(key, |known| match &outcome {
            Ok(Swap::Done(revision)) => {
                *known = Known {
                    current: Some((after, *revision)),
                    unsure: None,
                };
            }
            Ok(Swap::Lost) => known.current = None,
            Err(error) => {
                known.current = None;
                if error.is_unknown() && old.epoch == after.epoch && old.progress != after.progress {
                    known.unsure = Some(Unsure {
                        epoch: after.epoch,
                        before: old.progress,
                        after: after.progress,
                    });
                }
            }
        });
        match outcome? {
            Swap::Done(revision) => Ok(Some(revision)),
            Swap::Lost => Ok(None),
        }
    }

    fn with_known<T>(&self, key: &str, look: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        look(known.entry(key.to_owned()).or_default())
    }
}
