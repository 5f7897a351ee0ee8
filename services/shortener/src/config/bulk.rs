//! Settings of requests about many links.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests about many links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BulkSettings {
    /// Most links that one request makes or hands over.
    pub rows_max: usize,
    /// Most links of one import.
    pub import_rows_max: usize,
    /// Largest body of such a request, and of rules on domains, in KiB.
    pub body_kib_max: usize,
    /// Most links of one request that are given a password, for hashing one takes long.
    pub passwords_max: usize,
    /// Links of one request that are worked on at the same time.
    pub at_once_max: usize,
    /// Links that are written together, where the store can.
    pub write_rows_max: usize,
    /// Most links that are looked at for one page of a filtered list; the page may have fewer than were asked for.
    pub scan_links_max: u32,
    /// Links that an export reads at a time.
    pub export_page_links: u32,
}

impl Default for BulkSettings {
    fn default() -> Self {
        Self {
            rows_max: 1_000,
            import_rows_max: 5_000,
            body_kib_max: 4_096,
            passwords_max: 50,
            at_once_max: 16,
            write_rows_max: 100,
            scan_links_max: 1_000,
            export_page_links: 200,
        }
    }
}

impl BulkSettings {
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.body_kib_max.saturating_mul(1_024)
    }
}
