//! Who consumes which partition.

use std::collections::HashMap;

use futures::future::join_all;
use nats::{NatsError, StreamState};

use super::NatsStreamLog;
use super::progress::{Held, TRIES, key};
use crate::checks::{checked_group, checked_stream};
use crate::progress::Progress;
use crate::{Claim, Group, PARTITIONS, Partition, StreamError};

/// Who asks, and when: after what it knows was read, since the lease of a holder that was faster would seem to end too late.
#[derive(Clone, Copy)]
struct Claimant<'c> {
    owner: &'c str,
    now_ms: u64,
    claim_ms: u64,
}

impl NatsStreamLog {
    pub(super) async fn claim_free(&self, group: &Group, owner: &str) -> Result<Vec<Claim>, StreamError> {
        checked_stream(&group.stream)?;
        checked_group(&group.name)?;
        let filter = format!("{}.{}.*", nats::token(&group.stream), nats::token(&group.name));
        let mut held = HashMap::new();
        for entry in self.progress.entries(&filter).await? {
            let found = self.seen(&entry.key, &entry)?;
            held.insert(entry.key, found);
        }
        // A new group begins before the oldest kept event.
        let states = if held.len() < usize::from(PARTITIONS) {
            self.states(&group.stream).await?
        } else {
            HashMap::new()
        };
        let claims = Partition::all().map(|partition| {
            let found = held.remove(&key(group, partition));
            let state = states.get(&partition).copied();
            self.claim_one(group, partition, found, state, owner)
        });
        let claims = join_all(claims).await;
        let claims: Vec<Option<Claim>> = claims.into_iter().collect::<Result<_, _>>()?;
        Ok(claims.into_iter().flatten().collect())
    }

    async fn claim_one(
        &self,
        group: &Group,
        partition: Partition,
        mut found: Option<(Held, u64)>,
        state: Option<StreamState>,
        owner: &str,
    ) -> Result<Option<Claim>, StreamError> {
        let key = key(group, partition);
        for _ in 0..TRIES {
            let (before, revision) = found.take().unwrap_or_else(|| (begin(state), 0));
            let claimant = Claimant {
                owner,
                now_ms: self.clock.unix_ms(),
                claim_ms: self.settings.claim_ms,
            };
            let Some(after) = taken(&before, claimant) else {
                return Ok(None);
            };
            let epoch = after.epoch;
            if self.swap(&key, (&before, revision), after).await?.is_some() {
                return Ok(Some(Claim {
                    group: group.clone(),
                    partition,
                    epoch,
                }));
            }
            if let Some(entry) = self.progress.get(&key).await? {
                found = Some(self.seen(&key, &entry)?);
            }
        }
        Err(NatsError::Contended.into())
    }

    pub(super) async fn give_up(&self, claim: &Claim) -> Result<(), StreamError> {
        let key = key(&claim.group, claim.partition);
        for attempt in 0..TRIES {
            let (held, revision) = match self.held(claim, attempt > 0).await {
                Err(StreamError::Fenced { .. }) => return Ok(()),
                held => held?,
            };
            let free = Held {
                owner: String::new(),
                lease_until_ms: 0,
                ..held.clone()
            };
            if self.swap(&key, (&held, revision), free).await?.is_some() {
                return Ok(());
            }
        }
        Err(NatsError::Contended.into())
    }
}

/// Where a group that was never seen starts.
fn begin(state: Option<StreamState>) -> Held {
    Held {
        progress: Progress {
            acked: state.map_or(0, |state| state.first.saturating_sub(1)),
            ..Progress::default()
        },
        ..Held::default()
    }
}

/// The key once it is the claimant's; `None` while it is another's. Nobody took over what still bears its name, so keeping it needs
/// no new epoch. A lease that ends a whole claim later than any could was written before the clock was set back, by somebody who is
/// gone; one that ends a little too late is of a holder whose clock is a little ahead.
fn taken(held: &Held, claimant: Claimant<'_>) -> Option<Held> {
    let mine = held.owner == claimant.owner;
    let until_ms = claimant.now_ms.saturating_add(claimant.claim_ms);
    let absurd_ms = until_ms.saturating_add(claimant.claim_ms);
    let free = held.lease_until_ms <= claimant.now_ms || held.lease_until_ms > absurd_ms;
    if !mine && !free {
        return None;
    }
    let mut taken = held.clone();
    if !mine {
        taken.epoch += 1;
        taken.progress.inherited = taken.progress.attempted;
        claimant.owner.clone_into(&mut taken.owner);
    }
    taken.lease_until_ms = until_ms;
    Some(taken)
}
