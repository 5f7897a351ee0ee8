//! Settings of where links may lead.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::link::DOMAINS_MAX;

/// Where links may not lead, beside what is never allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSettings {
    /// Most domains on a tenant's allow and deny lists together.
    pub domains_max: usize,
    /// How long another process may go by a tenant's former lists, in milliseconds.
    pub rules_ttl_ms: u64,
    /// A file of hosts and beginnings of URLs, one a line, that no link is made for or followed to; empty: there is none. It is read again
    /// when it has changed.
    pub bad_urls_file: String,
    /// The largest such file that is read, in KiB.
    pub bad_urls_kib_max: u64,
    /// How often it is looked at, in milliseconds.
    pub bad_urls_interval_ms: u64,
}

impl Default for TargetSettings {
    fn default() -> Self {
        Self {
            domains_max: DOMAINS_MAX,
            rules_ttl_ms: 1_000,
            bad_urls_file: String::new(),
            bad_urls_kib_max: 65_536,
            bad_urls_interval_ms: 1_000,
        }
    }
}

impl TargetSettings {
    pub(crate) fn bad_urls_interval(&self) -> Duration {
        Duration::from_millis(self.bad_urls_interval_ms.max(1))
    }

    pub(crate) fn bad_urls_bytes_max(&self) -> u64 {
        self.bad_urls_kib_max.saturating_mul(1_024)
    }
}
