//! Generated codes: counters leased from the store in ranges, sent through a keyed permutation.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use identity::Tenant;
use sha2::Sha256;
use tokio::sync::Mutex;

use crate::link::{Code, GENERATED_CODES};
use crate::permutation::{CodeKey, Permutation};
use crate::store::{LinkStore, StoreError};

/// Gives each code once. Ranges are leased by a conditional write, so no two processes share a counter; what is left of a
/// range at a restart, or when an import brought one of its codes along, is lost, which the size of the code space forgives.
pub struct CodeAllocator {
    store: Arc<dyn LinkStore>,
    permutation: Permutation,
    /// Proves whose a code was.
    proofs: Hmac<Sha256>,
    range_size: u64,
    leased: Mutex<Range<u64>>,
}

/// Bytes of a proof.
const PROOF_BYTES: usize = 16;

impl CodeAllocator {
    /// An allocator that leases `range_size` counters at a time.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes a key of any length")]
    pub fn new(store: Arc<dyn LinkStore>, key: &CodeKey, range_size: u64) -> Self {
        let permutation = Permutation::new(key, GENERATED_CODES);
        Self {
            store,
            permutation,
            proofs: Hmac::new_from_slice(&key.derived("proofs of exported codes"))
                .expect("HMAC takes a key of any length"),
            range_size: range_size.max(1),
            leased: Mutex::new(0..0),
        }
    }

    /// A code that was never given before, by this process or another, and never will be again. Only an import into another process can
    /// have brought it along: see [`give_up`](Self::give_up).
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

    /// Gives up what is left of the range that a code came from which turned out to be taken. Codes that were exported together had
    /// counters in a row, so the next ones are probably taken as well. An import moves the store's counter before it writes: the next
    /// range lies behind all that it brought along.
    pub async fn give_up(&self, taken: &Code) {
        let Some(index) = taken.generated_index() else {
            return;
        };
        let counter = self.permutation.invert(index);
        let mut leased = self.leased.lock().await;
        // Whoever came from the same range may have given it up already.
        let range = leased.end.saturating_sub(self.range_size)..leased.end;
        if range.contains(&counter) {
            leased.start = leased.end;
        }
    }

    /// Goes with a generated code out of an export, so that the same tenant may bring it back: nobody else ever takes over a code
    /// that was given once.
    pub fn proof(&self, tenant: &Tenant, code: &Code) -> String {
        let proof = self.proving(tenant, code).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(&proof[..PROOF_BYTES])
    }

    /// Whether a proof is the one that this key gives, in this installation or in one with the same key.
    pub fn proves(&self, tenant: &Tenant, code: &Code, proof: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(proof).ok();
        let given = given.filter(|given| given.len() == PROOF_BYTES);
        given.is_some_and(|given| self.proving(tenant, code).verify_truncated_left(&given).is_ok())
    }

    fn proving(&self, tenant: &Tenant, code: &Code) -> Hmac<Sha256> {
        let mut proving = self.proofs.clone();
        // A code has no null byte, so no two pairs are the same text.
        proving.update(code.as_bytes());
        proving.update(&[0]);
        proving.update(tenant.as_str().as_bytes());
        proving
    }

    /// Has none of these codes given out later: the counters up to theirs are skipped, in a store that was not there yet when they were
    /// given out. Others than generated codes are passed over.
    pub async fn pass_over(&self, codes: impl Iterator<Item = &Code>) -> Result<(), StoreError> {
        let counters = codes
            .filter_map(Code::generated_index)
            .map(|index| self.permutation.invert(index));
        let Some(last) = counters.max() else { return Ok(()) };
        let next = self.store.lease_counters(0, GENERATED_CODES).await?.start;
        if next <= last {
            self.store
                .lease_counters(last + 1 - next, GENERATED_CODES)
                .await?;
        }
        // What is leased here already would be given out next. Only now, for until now a range that they lie in could be leased.
        let mut leased = self.leased.lock().await;
        leased.start = leased.start.max(last + 1).min(leased.end);
        Ok(())
    }
}
