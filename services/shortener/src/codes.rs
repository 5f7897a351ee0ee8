//! Generated codes: counters leased from the store in ranges, sent through a keyed permutation.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::link::{Code, GENERATED_CODES};
use crate::permutation::{CodeKey, Permutation};
use crate::store::{LinkStore, StoreError};

/// Gives each code once. Ranges are leased by a conditional write, so no two processes share a counter; what is left of a
/// range at a restart is lost, which the size of the code space forgives.
pub struct CodeAllocator {
    store: Arc<dyn LinkStore>,
    permutation: Permutation,
    range_size: u64,
    leased: Mutex<Range<u64>>,
}

impl CodeAllocator {
    /// An allocator that leases `range_size` counters at a time.
    pub fn new(store: Arc<dyn LinkStore>, key: &CodeKey, range_size: u64) -> Self {
        let permutation = Permutation::new(key, GENERATED_CODES);
        Self {
            store,
            permutation,
            range_size: range_size.max(1),
            leased: Mutex::new(0..0),
        }
    }

    /// A code that was never given before, by this process or another, and never will be again.
    pub async fn next(&self) -> Result<Code, StoreError> {
        // Held across the lease: whoever comes meanwhile needs the same range, not one of their own.
        let mut leased = self.leased.lock().await;
        if leased.is_empty() {
            *leased = self
                .store
                .lease_counters(self.range_size, GENERATED_CODES)
                .await?;
        }
        let counter = leased.next().ok_or(StoreError::CodesExhausted)?;
        Ok(Code::generated(self.permutation.apply(counter)))
    }
}
