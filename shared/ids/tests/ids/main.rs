//! The generator's promises. The large runs take as long as 4,096 ids a millisecond allow.

mod generator;
mod id;
mod jumps;
mod many;

use clock::SharedClock;
use ids::{IdGenerator, IdLease};

/// A noon in 2027.
const NOON: u64 = 1_800_000_000_000;

fn generator(clock: SharedClock, lease: IdLease) -> IdGenerator {
    IdGenerator::new(clock, lease).expect("the lease is sound")
}

/// Worker 5, from the millisecond before noon and without an end.
fn unending() -> IdLease {
    IdLease {
        worker: 5,
        issue_from_ms: NOON - 1,
        issue_until_ms: u64::MAX,
    }
}
