//! The audit chain: the canonical bytes of what the ledger remembers, their digests, and the hash that joins a batch to the one before.
//!
//! The bytes are published with examples in `chain-vectors.json`: whoever has the tables can recompute every hash without this program.
//! All numbers are big-endian and signed unless said otherwise.

mod verify;

use sha2::{Digest as _, Sha256};

use crate::ledger::{Direction, Entry, Journal};

pub use verify::{Broken, EntryName, RowName, ShardVerifier, StoredHead, StoredLink, StoredRow, Trouble};

/// A SHA-256.
pub type Hash = [u8; 32];

/// What stands before the first link of a shard.
pub const GENESIS: Hash = [0; 32];

const ROW: u8 = 1;
const LINK: u8 = 2;

/// A row of the journal as it is stored. `None` of an id is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRow<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Its id.
    pub id: i64,
    /// The code of its kind.
    pub kind: i16,
    /// Unix milliseconds; its entries have the same.
    pub at_ms: i64,
    /// 0 where it is about no hold.
    pub hold_id: i64,
    /// 0 where it refers to no other row.
    pub refers_to: i64,
    /// JSON, byte for byte.
    pub details: &'a str,
}

/// An entry of it as it is stored. Its place says which line it is; tenant and time are its row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRow {
    /// The account.
    pub account_id: i64,
    /// The part of it.
    pub part: i16,
    /// Three letters.
    pub currency: [u8; 3],
    /// Its sequence in the part.
    pub seq: i64,
    /// Minor units, above zero for a debit and below for a credit.
    pub signed: i64,
    /// Debits minus credits after it.
    pub balance_after: i64,
}

impl JournalRow<'_> {
    /// Its canonical bytes with its entries by line; `None` where a text or a list is longer than its length field can say.
    pub fn bytes(&self, entries: &[EntryRow]) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(48 + self.tenant.len() + self.details.len() + 37 * entries.len());
        bytes.push(ROW);
        bytes.extend(u16::try_from(self.tenant.len()).ok()?.to_be_bytes());
        bytes.extend(self.tenant.as_bytes());
        bytes.extend(self.at_ms.to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.kind.to_be_bytes());
        for number in [self.hold_id, self.refers_to] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(u32::try_from(self.details.len()).ok()?.to_be_bytes());
        bytes.extend(self.details.as_bytes());
        bytes.extend(u32::try_from(entries.len()).ok()?.to_be_bytes());
        for entry in entries {
            bytes.extend(entry.account_id.to_be_bytes());
            bytes.extend(entry.part.to_be_bytes());
            bytes.extend(entry.currency);
            for number in [entry.seq, entry.signed, entry.balance_after] {
                bytes.extend(number.to_be_bytes());
            }
        }
        Some(bytes)
    }
}

/// Of the canonical bytes of one row with its entries.
pub fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The digest that a row of the journal with its entries adds to its link; `None` for what no store could hold. `entries` are by line.
pub fn digest_of(journal: &Journal, entries: &[Entry]) -> Option<Hash> {
    let id = |id: ids::Id| i64::try_from(id.as_u64()).ok();
    let row = JournalRow {
        tenant: journal.tenant.as_str(),
        id: id(journal.id)?,
        kind: journal.kind.code(),
        at_ms: i64::try_from(journal.at_ms).ok()?,
        hold_id: journal.hold_id.map_or(Some(0), id)?,
        refers_to: journal.refers_to.map_or(Some(0), id)?,
        details: &journal.details,
    };
    let entry = |(entry, line): (&Entry, _)| {
        let amount = entry.amount.minor();
        let is_of_row = entry.journal_id == journal.id && entry.at_ms == journal.at_ms && entry.line == line;
        is_of_row.then_some(())?;
        Some(EntryRow {
            account_id: id(entry.account_id)?,
            part: i16::try_from(entry.part).ok()?,
            currency: entry.currency.code().as_bytes().try_into().ok()?,
            seq: entry.seq,
            signed: match entry.direction {
                Direction::Debit => amount,
                Direction::Credit => -amount,
            },
            balance_after: entry.balance_after,
        })
    };
    let entries: Option<Vec<EntryRow>> = entries.iter().zip(0..).map(entry).collect();
    Some(digest(&row.bytes(&entries?)?))
}

/// The hash of a link: over its place, its time, the link before and the digests of its rows, in order.
pub fn link_hash(shard: i16, link: i64, at_ms: i64, prev_hash: &Hash, digests: &[Hash]) -> Hash {
    let mut rows = Sha256::new();
    for digest in digests {
        rows.update(digest);
    }
    // A link has at most a batch's rows of the journal, far from 2^31; one that says otherwise must not look like a shorter one.
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
