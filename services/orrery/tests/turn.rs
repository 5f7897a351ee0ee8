//! Tests that load the machine take turns at it. Elsewhere they would measure each other.

use tokio::sync::{Semaphore, SemaphorePermit};

/// So many tests share the machine.
const SHARES: u32 = 3;

static MACHINE: Semaphore = Semaphore::const_new(SHARES as usize);

/// The whole machine, for a test that bounds a time, a rate or a loss: it is about what the platform does under its own load.
pub(crate) async fn alone() -> SemaphorePermit<'static> {
    MACHINE.acquire_many(SHARES).await.expect("it is never closed")
}

/// A share of the machine, for a test whose promises hold however slow it is: it starts many processes, and waits for most of its time.
pub(crate) async fn shared() -> SemaphorePermit<'static> {
    MACHINE.acquire().await.expect("it is never closed")
}
