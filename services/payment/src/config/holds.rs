//! Settings of holds.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingError;

/// Holds and their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HoldSettings {
    /// How long a hold lasts when the request does not say, in seconds.
    pub expires_s_default: u64,
    /// The longest a hold may last, in seconds.
    pub expires_s_max: u64,
    /// Pause between two looks for holds whose time is over, in milliseconds, when the last found none left.
    pub expiry_interval_ms: u64,
    /// Holds that one look ends together.
    pub expiry_batch_max: u32,
    /// Looks that follow each other without a pause after a time of standstill.
    pub expiry_rounds_max: u32,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            expires_s_default: 7 * 24 * 60 * 60,
            expires_s_max: 31 * 24 * 60 * 60,
            expiry_interval_ms: 1_000,
            expiry_batch_max: 500,
            expiry_rounds_max: 100,
        }
    }
}

impl HoldSettings {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.expires_s_max == 0 || self.expires_s_max > 10 * 366 * 24 * 60 * 60 {
            return Err(SettingError::new(
                "holds.expires_s_max",
                "must be between 1 and 316224000 (ten years)",
                self.expires_s_max,
            ));
        }
        if self.expires_s_default == 0 || self.expires_s_default > self.expires_s_max {
            return Err(SettingError::new(
                "holds.expires_s_default",
                "must be between 1 and holds.expires_s_max",
                self.expires_s_default,
            ));
        }
        if self.expiry_batch_max == 0 || self.expiry_batch_max > 8_190 {
            return Err(SettingError::new(
                "holds.expiry_batch_max",
                "must be between 1 and 8190",
                self.expiry_batch_max,
            ));
        }
        Ok(())
    }

    pub(crate) fn expiry_interval(&self) -> Duration {
        Duration::from_millis(self.expiry_interval_ms.max(1))
    }
}
