//! The audit chain as it is stored: links of digests, one a committed batch.

use super::{Entry, Journal};

/// Over how many chains batches are spread, so that two processes need not wait for one another's head.
pub const SHARDS: i16 = 8;

/// The newest link of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// Which chain.
    pub shard: i16,
    /// The number of its newest link; 0 where there is none.
    pub link: i64,
    /// Its hash; zeros where there is none.
    pub hash: [u8; 32],
    /// Its time, Unix milliseconds.
    pub at_ms: u64,
    /// Nothing will be added at this moment or before. Unix milliseconds.
    pub sealed_ms: u64,
}

/// One committed batch in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which chain.
    pub shard: i16,
    /// 1, 2, 3... without a gap, in the order of commits.
    pub link: i64,
    /// Of all its rows. Unix milliseconds.
    pub at_ms: u64,
    /// The hash of the link before.
    pub prev_hash: [u8; 32],
    /// The digests of its rows, in order.
    pub digests: Vec<[u8; 32]>,
    /// Over all of that.
    pub hash: [u8; 32],
}

/// A row of a link: one row of the journal, with its entries by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Its place in the link.
    pub ord: i32,
    /// The row.
    pub journal: Journal,
    /// Its entries.
    pub entries: Vec<Entry>,
}
