//! Settings of the audit.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingError;

/// The books, held against their chain while they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSettings {
    /// Pause between two audits, in milliseconds.
    pub interval_ms: u64,
    /// Links of each chain that one audit reads; a ledger that is faster is followed later.
    pub links_max: u32,
    /// Links before the newest at which the first audit of a process begins; what is older is for `orrery ledger verify`.
    pub links_before_start: u32,
    /// Tenants whose trial balance one audit makes; those beyond wait for the next.
    pub tenants_max: usize,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            interval_ms: 60_000,
            links_max: 1_000,
            links_before_start: 100,
            tenants_max: 100,
        }
    }
}

impl AuditSettings {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.links_max == 0 || self.links_max > 100_000 {
            return Err(SettingError::new(
                "audit.links_max",
                "must be between 1 and 100000",
                self.links_max,
            ));
        }
        if self.tenants_max == 0 || self.tenants_max > 10_000 {
            return Err(SettingError::new(
                "audit.tenants_max",
                "must be between 1 and 10000",
                self.tenants_max,
            ));
        }
        Ok(())
    }

    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.max(1))
    }
}
