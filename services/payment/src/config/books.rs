//! Settings of what is written into the books.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How large what is written into the books may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BookSettings {
    /// Most transfers of one batch, at most 8190.
    pub batch_transfers_max: usize,
    /// Largest body of a batch of transfers or of a transaction, in KiB.
    pub body_kib_max: usize,
    /// Longest name of an account, in characters.
    pub name_chars_max: usize,
    /// Longest description of a transfer or hold, in characters.
    pub description_chars_max: usize,
    /// Most entries of metadata.
    pub metadata_entries_max: usize,
    /// Largest metadata, in bytes of JSON.
    pub metadata_bytes_max: usize,
    /// Entries that a statement as CSV reads at a time.
    pub statement_page_rows: u32,
}

impl Default for BookSettings {
    fn default() -> Self {
        Self {
            batch_transfers_max: 8_190,
            body_kib_max: 8_192,
            name_chars_max: 200,
            description_chars_max: 500,
            metadata_entries_max: 50,
            metadata_bytes_max: 4_096,
            statement_page_rows: 1_000,
        }
    }
}

impl BookSettings {
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.body_kib_max.saturating_mul(1_024)
    }
}
