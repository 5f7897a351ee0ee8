//! The table of worker numbers as one document, for engines that change one key at a time by compare-and-set. No I/O.

use crate::{Grant, LeaseError, SLOTS};
use serde::{Deserialize, Serialize};

/// Slots are made in order: the place in the list is the worker number, and the next unused one is the list's length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Slots(Vec<Slot>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    /// For people who look; `None` once released.
    holder: Option<String>,
    /// Raised by every acquisition and release: the fence.
    epoch: u64,
    /// Unix milliseconds. No id of this slot, from any holder so far, carries a later time.
    issue_until_ms: u64,
}

impl Slots {
    /// The first slot whose time is over, or the first that was never used.
    pub(crate) fn acquire(
        &mut self,
        holder: &str,
        now_ms: u64,
        issue_until_ms: u64,
    ) -> Result<Grant, LeaseError> {
        let over = self.0.iter().position(|slot| slot.issue_until_ms < now_ms);
        if over.is_none() && self.0.len() >= usize::from(SLOTS) {
            let first_over = self.0.iter().map(|slot| slot.issue_until_ms).min();
            let wait_ms = first_over.unwrap_or_default().saturating_sub(now_ms) + 1;
            return Err(LeaseError::NoFreeSlot { wait_ms });
        }
        let place = over.unwrap_or_else(|| {
            self.0.push(Slot {
                holder: None,
                epoch: 0,
                issue_until_ms: 0,
            });
            self.0.len() - 1
        });
        let slot = &mut self.0[place];
        let issue_from_ms = slot.issue_until_ms;
        slot.holder = Some(holder.to_owned());
        slot.epoch += 1;
        // The time never shrinks, not even when the taker's clock stands behind its predecessor's.
        slot.issue_until_ms = issue_from_ms.max(issue_until_ms);
        Ok(Grant {
            slot: u16::try_from(place).expect("there are no more than SLOTS"),
            epoch: slot.epoch,
            issue_from_ms,
            issue_until_ms: slot.issue_until_ms,
        })
    }

    /// Answers the time that is recorded then.
    pub(crate) fn renew(&mut self, grant: &Grant, issue_until_ms: u64) -> Result<u64, LeaseError> {
        let slot = self.held(grant)?;
        slot.issue_until_ms = slot.issue_until_ms.max(issue_until_ms);
        Ok(slot.issue_until_ms)
    }

    /// The epoch goes up, so that a renewal that is still on its way comes too late.
    pub(crate) fn release(&mut self, grant: &Grant, last_issued_ms: u64) -> Result<(), LeaseError> {
        let slot = self.held(grant)?;
        slot.holder = None;
        slot.epoch += 1;
        slot.issue_until_ms = last_issued_ms;
        Ok(())
    }

    fn held(&mut self, grant: &Grant) -> Result<&mut Slot, LeaseError> {
        let slot = self.0.get_mut(usize::from(grant.slot));
        slot.filter(|slot| slot.epoch == grant.epoch)
            .ok_or(LeaseError::Lost { slot: grant.slot })
    }
}
