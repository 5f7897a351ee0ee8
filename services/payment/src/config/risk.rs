//! Settings of the risk check.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::payment::risk::RiskRules;

/// What passes the risk check before the processor is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RiskSettings {
    /// The most that passes, in minor units.
    pub amount_minor_max: u64,
    /// The most payments of one account in an hour that pass.
    pub payments_per_hour_max: u64,
    /// Tokens that never pass; the test tokens `tok_riskLevelHighest` and `tok_stolen` are always among them.
    pub blocked_methods: Vec<String>,
}

impl Default for RiskSettings {
    fn default() -> Self {
        Self {
            amount_minor_max: i64::MAX.unsigned_abs(),
            payments_per_hour_max: 500,
            blocked_methods: Vec::new(),
        }
    }
}

impl RiskSettings {
    /// The rules.
    pub(crate) fn rules(&self) -> RiskRules {
        RiskRules {
            amount_max: i64::try_from(self.amount_minor_max).unwrap_or(i64::MAX),
            payments_max: self.payments_per_hour_max,
            blocked: self.blocked_methods.iter().cloned().collect::<BTreeSet<_>>(),
        }
    }
}
