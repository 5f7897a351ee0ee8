//! Settings of the vault.

use config::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Payers' details, encrypted with a key per tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VaultSettings {
    /// What the tenants' keys are wrapped with, 64 hexadecimal digits; unset, it is read from `key_file`.
    pub key: Secret,
    /// The file of that key, made at first start.
    pub key_file: String,
    /// How often the database's files are rid of keys that were dropped since, by erasures and rotations. On PostgreSQL the vault's tables are written
    /// anew for that (`VACUUM (FULL)`), and locked meanwhile.
    pub overwrite_interval_ms: u64,
}

impl Default for VaultSettings {
    fn default() -> Self {
        Self {
            key: Secret::default(),
            key_file: ".orrery/payment.key".to_owned(),
            overwrite_interval_ms: 600_000,
        }
    }
}
