//! The port to the slots of links that may be followed a limited number of times.

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// A grant is at most this part of what is left, so that near the cap no process holds what another is refused.
const SHARE: u64 = 8;

/// Leases that a link's ledger names. Beyond it the one that was changed longest ago ends: its unused slots are nobody's.
const LEASES_MAX: usize = 256;

/// Where it is kept how many slots of a link each process may use. Together they never have more than the cap.
///
/// **Leases.** A process uses slots under a lease of its own, and says with each call how many it has used in all. What it holds is
/// stated as a limit and never as a difference, so a call can be repeated: whatever an earlier one of the same lease may still have done
/// is overruled by the one that is answered. Once a call was begun, slots of former answers are not used before it is answered.
///
/// **Order.** All operations on one link are linearizable. An earlier call that was not answered never takes effect after a
/// later call that granted slots.
///
/// **Unknown outcomes.** After [`StoreError::Unknown`], or a future dropped half-way, the call may have been done or may be done
/// later. It costs the cap at most what it would have granted, and a repeated call settles it. After any other error nothing was done.
#[async_trait]
pub trait SlotStore: Send + Sync + 'static {
    /// Grants a lease of a link slots beyond the `used` ones: at most `block_max`, and fewer near the cap. A lease begins with its first
    /// call.
    async fn hold_slots(
        &self,
        link: &CappedLink,
        lease: SlotLease,
        used: u64,
        block_max: u64,
    ) -> Result<HeldSlots, StoreError>;

    /// Ends a lease that has used `used` slots; the others are free again. Nothing happens to one that has ended, or never began.
    async fn end_lease(
        &self,
        tenant: &Tenant,
        link_id: Id,
        lease: SlotLease,
        used: u64,
    ) -> Result<(), StoreError>;

    /// Drops what is known of a link that was deleted.
    async fn forget_slots(&self, tenant: &Tenant, link_id: Id) -> Result<(), StoreError>;
}

/// A link with a cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CappedLink {
    /// Whose link.
    pub tenant: Tenant,
    /// The link.
    pub link_id: Id,
    /// How many slots there are in all.
    pub cap: u64,
}

/// Names a lease. Random: no two processes take the same, nor one process twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotLease(pub u64);

impl SlotLease {
    /// One that nobody has.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

/// What a lease holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldSlots {
    /// It may use this many in all, the used ones among them; at least one more.
    Until(u64),
    /// No slot is left. The lease has ended.
    NoneLeft,
    /// The lease has ended before; another may be begun.
    Ended,
}

/// How many slots of one link are taken, and by whom. Pure: what an engine does is to change it in one atomic step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Slots of leases that have ended.
    past: u64,
    /// The limit of each lease, the one last changed at the end.
    leases: Vec<(SlotLease, u64)>,
}

impl Ledger {
    pub(crate) fn hold(&mut self, lease: SlotLease, used: u64, cap: u64, block_max: u64) -> HeldSlots {
        let known = self.take_out(lease);
        if known.is_none() && used > 0 {
            return HeldSlots::Ended;
        }
        let left = cap.saturating_sub(self.taken()).saturating_sub(used);
        let granted = (left / SHARE).clamp(1, block_max.max(1)).min(left);
        if granted == 0 {
            self.past = self.past.saturating_add(used);
            return HeldSlots::NoneLeft;
        }
        let limit = used + granted;
        self.leases.push((lease, limit));
        if self.leases.len() > LEASES_MAX {
            let (_, oldest) = self.leases.remove(0);
            self.past = self.past.saturating_add(oldest);
        }
        HeldSlots::Until(limit)
    }

    pub(crate) fn end(&mut self, lease: SlotLease, used: u64) {
        if let Some(limit) = self.take_out(lease) {
            self.past = self.past.saturating_add(used.min(limit));
        }
    }

    /// How many slots nobody else can have.
    pub(crate) fn taken(&self) -> u64 {
        let held = self.leases.iter().map(|(_, limit)| *limit);
        held.fold(self.past, u64::saturating_add)
    }

    fn take_out(&mut self, lease: SlotLease) -> Option<u64> {
        let at = self.leases.iter().position(|(held, _)| *held == lease)?;
        Some(self.leases.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grants_shrink_towards_the_cap_and_end_there() {
        let (mut ledger, lease, mut used) = (Ledger::default(), SlotLease(1), 0);
        let mut grants = Vec::new();
        while let HeldSlots::Until(limit) = ledger.hold(lease, used, 100, 10) {
            grants.push(limit - used);
            used = limit;
        }
        assert_eq!(used, 100);
        assert_eq!(grants[..3], [10, 10, 10]);
        assert!(grants.is_sorted_by(|one, next| one >= next), "{grants:?}");
        assert!(grants.ends_with(&[1; 15]), "{grants:?}");
        assert_eq!(
            ledger,
            Ledger {
                past: 100,
                leases: vec![]
            }
        );
    }

    #[test]
    fn more_leases_than_are_named_cost_slots_and_never_give_any() {
        let mut ledger = Ledger::default();
        let limits: Vec<HeldSlots> = (0..300)
            .map(|number| ledger.hold(SlotLease(number), 0, 100_000, 5))
            .collect();
        assert!(limits.iter().all(|held| *held == HeldSlots::Until(5)));
        assert_eq!((ledger.leases.len(), ledger.taken()), (LEASES_MAX, 1_500));
        assert_eq!(ledger.hold(SlotLease(0), 3, 100_000, 5), HeldSlots::Ended);
        ledger.end(SlotLease(299), 2);
        assert_eq!(ledger.taken(), 1_497);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take { process: usize, cap: u64 },
        Repeat { process: usize, cap: u64 },
        GiveBack { process: usize },
        Kill { process: usize },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let (process, cap) = (0..4_usize, 1..60_u64);
        let step = prop_oneof![
            8 => (process.clone(), cap.clone()).prop_map(|(process, cap)| Step::Take { process, cap }),
            2 => (process.clone(), cap).prop_map(|(process, cap)| Step::Repeat { process, cap }),
            1 => process.clone().prop_map(|process| Step::GiveBack { process }),
            1 => process.prop_map(|process| Step::Kill { process }),
        ];
        prop::collection::vec(step, 1..200)
    }

    #[derive(Clone, Copy)]
    struct Process {
        lease: SlotLease,
        limit: u64,
        used: u64,
    }

    proptest! {
        /// Whatever processes do, a slot is used only while fewer than the cap it is asked under are.
        #[test]
        fn no_slot_is_granted_beyond_the_cap_of_the_call_that_grants_it(steps in steps()) {
            let (mut ledger, mut next, mut used_in_all) = (Ledger::default(), 0_u64, 0_u64);
            let mut fresh = || {
                next += 1;
                Process { lease: SlotLease(next), limit: 0, used: 0 }
            };
            let mut processes = [fresh(), fresh(), fresh(), fresh()];
            for step in steps {
                match step {
                    Step::Take { process, cap } => {
                        let held = processes[process];
                        match ledger.hold(held.lease, held.used, cap, 7) {
                            HeldSlots::Until(limit) => {
                                let others: u64 = ledger.taken() - limit;
                                prop_assert!(limit > held.used && others + limit <= cap);
                                processes[process] = Process { limit, used: held.used + 1, ..held };
                                used_in_all += 1;
                                prop_assert!(used_in_all <= cap);
                            }
                            HeldSlots::NoneLeft | HeldSlots::Ended => processes[process] = fresh(),
                        }
                    }
                    // Its answer was lost; nothing of it is used before the next one is answered.
                    Step::Repeat { process, cap } => {
                        let held = processes[process];
                        ledger.hold(held.lease, held.used, cap, 7);
                        processes[process].limit = held.used;
                    }
                    Step::GiveBack { process } => {
                        let before = ledger.taken();
                        ledger.end(processes[process].lease, processes[process].used);
                        prop_assert!(ledger.taken() <= before && ledger.taken() >= used_in_all);
                        processes[process] = fresh();
                    }
                    Step::Kill { process } => processes[process] = fresh(),
                }
                prop_assert!(ledger.taken() >= used_in_all);
            }
        }
    }
}
