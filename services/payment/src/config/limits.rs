//! Settings of what may be paid.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingError;
use crate::ledger::Currency;

/// What may be paid, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// The currencies that accounts may have, as ISO 4217 codes; all of them where the list is empty.
    pub currencies: Vec<String>,
    /// The most that one transfer, posting, hold or payment moves, in minor units.
    pub transfer_minor_max: u64,
    /// Payments of one payer's account in an hour; one that failed before its hold was placed does not count.
    pub payments_per_hour_max: u32,
    /// What one payer's account pays in an hour, in minor units, counted alike.
    pub payments_minor_per_hour_max: u64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            currencies: Vec::new(),
            transfer_minor_max: i64::MAX.unsigned_abs(),
            payments_per_hour_max: 1_000,
            payments_minor_per_hour_max: i64::MAX.unsigned_abs(),
        }
    }
}

impl LimitSettings {
    /// The allow-list; `None` allows all.
    pub(crate) fn currencies(&self) -> Result<Option<Vec<Currency>>, SettingError> {
        if self.currencies.is_empty() {
            return Ok(None);
        }
        let read = |code: &String| {
            let refused = || SettingError::new("limits.currencies", "must be ISO 4217 codes, as EUR", code);
            code.parse().map_err(|_| refused())
        };
        self.currencies
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}
