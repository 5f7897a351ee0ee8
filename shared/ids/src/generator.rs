use crate::id::{SEQUENCE_BITS, TIME_MAX, TIME_SHIFT};
use crate::refusals::Refusals;
use crate::wait::Wait;
use crate::{EPOCH_MS, Id, IdError, RefusalCounts, SEQUENCE_MAX, WORKER_MAX};
use clock::SharedClock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest step back of the wall clock that `next` waits out, in milliseconds.
pub const BACK_STEP_MS_MAX: u64 = 10;

/// No id looks like this (they are below 2^63), so no exchange against a real last id can succeed after it.
const RETIRED: u64 = u64::MAX;

/// A worker id, and the time for which ids may be issued under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdLease {
    /// At most `WORKER_MAX`.
    pub worker: u16,
    /// Every id carries a later Unix millisecond than this one, the last that a former holder could have used.
    pub issue_from_ms: u64,
    /// No id carries a later Unix millisecond than this one.
    pub issue_until_ms: u64,
}

/// Gives ids that are unique and strictly increasing; see the crate's promises. Shared by reference between threads.
#[derive(Debug)]
pub struct IdGenerator {
    clock: SharedClock,
    worker: u16,
    /// The last id issued, or `RETIRED`. The whole state is one word, so an exchange either takes a new id or none.
    last: AtomicU64,
    /// Unix milliseconds; only ever grows.
    issue_until_ms: AtomicU64,
    refusals: Refusals,
}

impl IdGenerator {
    /// A generator that issues within `lease`.
    pub fn new(clock: SharedClock, lease: IdLease) -> Result<Self, IdError> {
        if lease.worker > WORKER_MAX {
            return Err(IdError::WorkerTooLarge { worker: lease.worker });
        }
        let from = lease.issue_from_ms.saturating_sub(EPOCH_MS);
        if from > TIME_MAX {
            return Err(IdError::EpochOver);
        }
        // As if the former holder had used up the millisecond `issue_from_ms`.
        let last = from << TIME_SHIFT | worker_bits(lease.worker) | u64::from(SEQUENCE_MAX);
        Ok(Self {
            clock,
            worker: lease.worker,
            last: AtomicU64::new(last),
            issue_until_ms: AtomicU64::new(lease.issue_until_ms),
            refusals: Refusals::default(),
        })
    }

    /// The next id. Waits for the next millisecond when 4,096 ids were taken in this one, and for at most
    /// `BACK_STEP_MS_MAX` when the clock went back; blocks its thread meanwhile.
    pub fn next(&self) -> Result<Id, IdError> {
        self.take().inspect_err(|&error| self.refusals.count(error))
    }

    /// The lease was renewed in its store: ids may carry times up to `issue_until_ms`. A shorter lease changes nothing.
    pub fn renew(&self, issue_until_ms: u64) {
        self.issue_until_ms.fetch_max(issue_until_ms, Ordering::AcqRel);
    }

    /// The last Unix millisecond for which ids may be issued.
    pub fn issue_until_ms(&self) -> u64 {
        self.issue_until_ms.load(Ordering::Acquire)
    }

    /// The worker under which ids are issued.
    pub fn worker(&self) -> u16 {
        self.worker
    }

    /// Ends the generator: every later `next` is refused. Gives the last Unix millisecond that an issued id carries
    /// (or `issue_from_ms`), above which a successor may start at once; `None` when it was retired before.
    pub fn retire(&self) -> Option<u64> {
        match self.last.swap(RETIRED, Ordering::AcqRel) {
            RETIRED => None,
            last => Some((last >> TIME_SHIFT) + EPOCH_MS),
        }
    }

    /// How often an id was refused, for the service's metrics.
    pub fn refusals(&self) -> RefusalCounts {
        self.refusals.counts()
    }

    #[inline]
    fn take(&self) -> Result<Id, IdError> {
        let mut wait = Wait::default();
        loop {
            // Read the last id *before* the clock: then, on a clock that does not step, the time is at least the id's.
            let last = self.last.load(Ordering::Acquire);
            if last == RETIRED {
                return Err(IdError::Retired);
            }
            let unix_ms = self.clock.unix_ms();
            let (now, then) = (unix_ms.saturating_sub(EPOCH_MS), last >> TIME_SHIFT);
            let next = if now > then || follows_back(now, then) {
                now << TIME_SHIFT | worker_bits(self.worker)
            } else if now < then {
                let by_ms = then - now;
                if by_ms > BACK_STEP_MS_MAX {
                    return Err(IdError::ClockWentBack { by_ms });
                }
                wait.pause()?;
                continue;
            } else if last & u64::from(SEQUENCE_MAX) < u64::from(SEQUENCE_MAX) {
                last + 1
            } else {
                wait.spin()?;
                continue;
            };
            let issue_until_ms = self.issue_until_ms.load(Ordering::Acquire);
            if unix_ms > issue_until_ms {
                return Err(IdError::LeaseExpired { issue_until_ms });
            }
            if now > TIME_MAX {
                return Err(IdError::EpochOver);
            }
            if self
                .last
                .compare_exchange_weak(last, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(Id::from_u64(next).expect("41 + 10 + 12 bits are below 2^63"));
            }
        }
    }
}

/// Only a planted bug gives ids in the order of a clock that went back.
fn follows_back(now: u64, then: u64) -> bool {
    #[cfg(feature = "planted-bugs")]
    return now < then && planted_bugs::is_planted(planted_bugs::Bug::ClockTrusted);
    #[cfg(not(feature = "planted-bugs"))]
    {
        let _ = (now, then);
        false
    }
}

const fn worker_bits(worker: u16) -> u64 {
    (worker as u64) << SEQUENCE_BITS
}
