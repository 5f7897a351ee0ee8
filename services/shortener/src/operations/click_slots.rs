//! Slots of links with a cap: each redirect takes one. A process leases small blocks of them, so that most redirects ask nobody,
//! and gives back what it does not use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use futures::{StreamExt as _, stream};
use identity::Tenant;
use ids::Id;
use server::Drain;

use super::{Destination, Links};
use crate::config::SlotSettings;
use crate::error::LinkError;
use crate::store::StoreError;
use crate::store::slots::{CappedLink, HeldSlots, SlotLease, SlotStore};

/// Leases that are given back at the same time.
const RETURNS: usize = 16;

/// The slots that this process holds.
pub struct ClickSlots {
    store: Arc<dyn SlotStore>,
    clock: SharedClock,
    settings: SlotSettings,
    blocks: Mutex<HashMap<Id, Arc<Block>>>,
}

/// Those of one link.
struct Block {
    tenant: Tenant,
    link_id: Id,
    held: Mutex<Held>,
    /// Whoever has the turn asks the store; nobody else does meanwhile.
    turn: tokio::sync::Mutex<()>,
}

struct Held {
    lease: SlotLease,
    /// Whether the store may know the lease.
    is_begun: bool,
    /// Under which the slots were granted.
    cap: u64,
    /// How many the lease may use in all.
    limit: u64,
    /// How many it has used.
    used: u64,
    /// Until when none is left (monotonic time).
    none_left_until: Option<Duration>,
    /// Whether anybody asked since the last look for idle ones.
    is_wanted: bool,
    /// Whether the block is out of the map: what it leased would be given back by nobody.
    is_closed: bool,
}

impl Held {
    fn new() -> Self {
        Self {
            lease: SlotLease::random(),
            is_begun: false,
            cap: 0,
            limit: 0,
            used: 0,
            none_left_until: None,
            is_wanted: true,
            is_closed: false,
        }
    }

    /// A slot without asking the store, or the word that there is none.
    fn take(&mut self, cap: u64, now: impl FnOnce() -> Duration) -> Option<bool> {
        self.is_wanted = true;
        if self.cap != cap {
            return None;
        }
        if self.used < self.limit {
            self.used += 1;
            return Some(true);
        }
        let until = self.none_left_until?;
        (now() < until).then_some(false)
    }

    /// From now on nothing of it is used before the store has answered.
    fn close_for_question(&mut self) -> (SlotLease, u64) {
        self.limit = self.used;
        self.none_left_until = None;
        (self.lease, self.used)
    }

    fn begin_anew(&mut self) {
        (self.lease, self.is_begun) = (SlotLease::random(), false);
        (self.limit, self.used) = (0, 0);
    }
}

impl Block {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Links {
    /// Takes a slot of a link with a cap; `false` when none is left. To be asked once a redirect, after all else that may
    /// refuse it. On an error no slot was taken.
    ///
    /// A slot counts from when the link first had a cap. A cap that was changed holds for whoever has heard of it: slots that another
    /// process leased under a higher one may be used until it has.
    pub async fn take_slot(&self, destination: &Destination, cap: u64) -> Result<bool, LinkError> {
        self.slots
            .take(&destination.tenant, destination.link_id, cap)
            .await
    }
}

impl ClickSlots {
    /// None are held yet.
    pub fn new(store: Arc<dyn SlotStore>, clock: SharedClock, settings: SlotSettings) -> Self {
        Self {
            store,
            clock,
            settings,
            blocks: Mutex::default(),
        }
    }

    /// See [`Links::take_slot`].
    pub async fn take(&self, tenant: &Tenant, link_id: Id, cap: u64) -> Result<bool, LinkError> {
        if let Some(taken) = self.take_held(link_id, cap) {
            return Ok(taken);
        }
        let wait = Duration::from_millis(self.settings.wait_ms);
        let leased = tokio::time::timeout(wait, self.take_leased(tenant, link_id, cap)).await;
        leased.unwrap_or_else(|_| {
            let why = "a slot was not leased in time".to_owned();
            Err(StoreError::Unavailable(why).into())
        })
    }

    fn take_held(&self, link_id: Id, cap: u64) -> Option<bool> {
        let block = self.blocks().get(&link_id).map(Arc::clone)?;
        block.held().take(cap, || self.clock.monotonic())
    }

    async fn take_leased(&self, tenant: &Tenant, link_id: Id, cap: u64) -> Result<bool, LinkError> {
        loop {
            let block = self.block(tenant, link_id)?;
            let _turn = block.turn.lock().await;
            let (lease, used) = {
                let mut held = block.held();
                if held.is_closed {
                    continue;
                }
                // Whoever had the turn before may have leased enough for all.
                if let Some(taken) = held.take(cap, || self.clock.monotonic()) {
                    return Ok(taken);
                }
                held.is_begun = true;
                held.close_for_question()
            };
            let link = CappedLink {
                tenant: tenant.clone(),
                link_id,
                cap,
            };
            let answer = self.store.hold_slots(&link, lease, used, self.settings.block_max);
            let answer = answer.await.map_err(nothing_taken)?;
            let mut held = block.held();
            match answer {
                HeldSlots::Until(limit) => (held.cap, held.limit) = (cap, limit),
                HeldSlots::NoneLeft => {
                    held.begin_anew();
                    let believed = Duration::from_millis(self.settings.none_left_ms);
                    held.cap = cap;
                    held.none_left_until = Some(self.clock.monotonic() + believed);
                    return Ok(false);
                }
                HeldSlots::Ended => held.begin_anew(),
            }
        }
    }

    fn block(&self, tenant: &Tenant, link_id: Id) -> Result<Arc<Block>, LinkError> {
        let mut blocks = self.blocks();
        let held = blocks.len();
        match blocks.entry(link_id) {
            Entry::Occupied(known) => Ok(Arc::clone(known.get())),
            Entry::Vacant(_) if held >= self.settings.links_max => Err(LinkError::Overloaded),
            Entry::Vacant(free) => Ok(Arc::clone(free.insert(Arc::new(Block {
                tenant: tenant.clone(),
                link_id,
                held: Mutex::new(Held::new()),
                turn: tokio::sync::Mutex::default(),
            })))),
        }
    }

    /// Gives back what nobody took for a while until `stop` begins, then all. No request may be under way any more by then.
    pub(crate) async fn keep(self: Arc<Self>, stop: Drain) {
        let interval = Duration::from_millis(self.settings.idle_ms.max(10));
        loop {
            tokio::select! {
                () = stop.begun() => break,
                () = tokio::time::sleep(interval) => {}
            }
            self.give_back(|held| !std::mem::take(&mut held.is_wanted)).await;
        }
        let limit = Duration::from_millis(self.settings.drain_ms);
        if tokio::time::timeout(limit, self.give_back(|_| true))
            .await
            .is_err()
        {
            tracing::warn!(
                "click slots could not be given back in time: as many clicks are missing to their caps"
            );
        }
    }

    async fn give_back(&self, is_over: impl Fn(&mut Held) -> bool) {
        let all: Vec<Arc<Block>> = self.blocks().values().map(Arc::clone).collect();
        let over = all.into_iter().filter(|block| is_over(&mut block.held()));
        stream::iter(over)
            .for_each_concurrent(RETURNS, |block| self.end(block))
            .await;
    }

    async fn end(&self, block: Arc<Block>) {
        // Somebody who has the turn wants slots.
        let Ok(_turn) = block.turn.try_lock() else { return };
        let (lease, used, is_begun) = {
            let mut held = block.held();
            let (lease, used) = held.close_for_question();
            (lease, used, held.is_begun)
        };
        let ended = if is_begun {
            let ending = self.store.end_lease(&block.tenant, block.link_id, lease, used);
            ending.await
        } else {
            Ok(())
        };
        if let Err(error) = ended {
            // The lease stays known here, so the next look tries again, and whoever wants slots first settles it.
            tracing::debug!(%error, code = error.code(), "click slots were not given back");
            return;
        }
        block.held().is_closed = true;
        self.blocks().remove(&block.link_id);
    }

    /// Drops what is known of a deleted link, here and in the store; what another process still holds of it is of no use.
    pub(crate) async fn forget(&self, tenant: &Tenant, link_id: Id) {
        self.blocks().remove(&link_id);
        if let Err(error) = self.store.forget_slots(tenant, link_id).await {
            tracing::debug!(%error, code = error.code(), "the slots of a deleted link stay");
        }
    }

    fn blocks(&self) -> MutexGuard<'_, HashMap<Id, Arc<Block>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was leased unseen is found by the next call: for the one who asked, nothing was done.
fn nothing_taken(error: StoreError) -> LinkError {
    LinkError::Store(match error {
        StoreError::Unknown(why) => StoreError::Unavailable(why),
        other => other,
    })
}

#[cfg(test)]
#[path = "click_slots/tests.rs"]
mod tests;
