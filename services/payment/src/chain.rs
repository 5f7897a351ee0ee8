//! The audit chain: the canonical bytes of what the ledger remembers, their digests, and the hash that joins a batch to the one before.
//!
//! The bytes are published with examples in `chain-vectors.json`: whoever has the tables can recompute every hash without this program.
//! All numbers are big-endian and signed unless said otherwise.

mod verify;

use sha2::{Digest as _, Sha256};

use crate::ledger::{Entry, Journal};

pub use verify::{Broken, RowName, ShardVerifier, StoredHead, StoredLink, StoredRow, Trouble};

/// A SHA-256.
pub type Hash = [u8; 32];

/// What stands before the first link of a shard.
pub const GENESIS: Hash = [0; 32];

const JOURNAL: u8 = 1;
const ENTRY: u8 = 2;
const LINK: u8 = 3;

/// A row of the journal as it is stored. `None` of an id is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRow<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Its id.
    pub id: i64,
    /// The code of its kind.
    pub kind: u8,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// 0 where it is about no hold.
    pub hold_id: i64,
    /// 0 where it refers to no other row.
    pub refers_to: i64,
    /// JSON, byte for byte.
    pub details: &'a str,
}

/// An entry as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRow<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// The account.
    pub account_id: i64,
    /// The part of it.
    pub part: i16,
    /// Its sequence in the part.
    pub seq: i64,
    /// The row of the journal it belongs to.
    pub journal_id: i64,
    /// Its place there.
    pub line: i32,
    /// 0 debit, 1 credit.
    pub direction: u8,
    /// Minor units.
    pub amount: i64,
    /// Three letters.
    pub currency: [u8; 3],
    /// Debits minus credits after it.
    pub balance_after: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
}

impl JournalRow<'_> {
    /// Its canonical bytes; `None` where a text is longer than its length field can say.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(40 + self.tenant.len() + self.details.len());
        bytes.push(JOURNAL);
        push_tenant(&mut bytes, self.tenant)?;
        bytes.extend(self.id.to_be_bytes());
        bytes.push(self.kind);
        for number in [self.at_ms, self.hold_id, self.refers_to] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(u32::try_from(self.details.len()).ok()?.to_be_bytes());
        bytes.extend(self.details.as_bytes());
        Some(bytes)
    }
}

impl EntryRow<'_> {
    /// Its canonical bytes; `None` where the tenant is longer than its length field can say.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(69 + self.tenant.len());
        bytes.push(ENTRY);
        push_tenant(&mut bytes, self.tenant)?;
        bytes.extend(self.account_id.to_be_bytes());
        bytes.extend(self.part.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.journal_id.to_be_bytes());
        bytes.extend(self.line.to_be_bytes());
        bytes.push(self.direction);
        bytes.extend(self.amount.to_be_bytes());
        bytes.extend(self.currency);
        bytes.extend(self.balance_after.to_be_bytes());
        bytes.extend(self.at_ms.to_be_bytes());
        Some(bytes)
    }
}

fn push_tenant(bytes: &mut Vec<u8>, tenant: &str) -> Option<()> {
    bytes.extend(u16::try_from(tenant.len()).ok()?.to_be_bytes());
    bytes.extend(tenant.as_bytes());
    Some(())
}

/// Of the canonical bytes of one row.
pub fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The digests that a row of the journal and its entries (by line) add to their link; `None` for what no store could hold.
pub fn digests_of(journal: &Journal, entries: &[Entry]) -> Option<Vec<Hash>> {
    let id = |id: ids::Id| i64::try_from(id.as_u64()).ok();
    let tenant = journal.tenant.as_str();
    let mut digests = Vec::with_capacity(1 + entries.len());
    let row = JournalRow {
        tenant,
        id: id(journal.id)?,
        kind: u8::try_from(journal.kind.code()).ok()?,
        at_ms: i64::try_from(journal.at_ms).ok()?,
        hold_id: journal.hold_id.map_or(Some(0), id)?,
        refers_to: journal.refers_to.map_or(Some(0), id)?,
        details: &journal.details,
    };
    digests.push(digest(&row.bytes()?));
    for entry in entries {
        let row = EntryRow {
            tenant,
            account_id: id(entry.account_id)?,
            part: i16::try_from(entry.part).ok()?,
            seq: entry.seq,
            journal_id: id(entry.journal_id)?,
            line: i32::try_from(entry.line).ok()?,
            direction: u8::try_from(entry.direction.code()).ok()?,
            amount: entry.amount.minor(),
            currency: entry.currency.code().as_bytes().try_into().ok()?,
            balance_after: entry.balance_after,
            at_ms: i64::try_from(entry.at_ms).ok()?,
        };
        digests.push(digest(&row.bytes()?));
    }
    Some(digests)
}

/// The hash of a link: over its place, its time, the link before and the digests of its rows, in order.
pub fn link_hash(shard: i16, link: i64, at_ms: i64, prev_hash: &Hash, digests: &[Hash]) -> Hash {
    let mut rows = Sha256::new();
    for digest in digests {
        rows.update(digest);
    }
    // A link has at most a batch's rows, far from 2^31; one that says otherwise must not look like a shorter one.
    let row_count = i32::try_from(digests.len()).unwrap_or(-1);
    let mut hash = Sha256::new();
    hash.update([LINK]);
    hash.update(shard.to_be_bytes());
    hash.update(link.to_be_bytes());
    hash.update(at_ms.to_be_bytes());
    hash.update(prev_hash);
    hash.update(row_count.to_be_bytes());
    hash.update(rows.finalize());
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
