//! Settings of reconciliation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settlements held against the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReconciliationSettings {
    /// How often the processor's settlement is fetched, in milliseconds.
    pub interval_ms: u64,
    /// How long the process that reconciles leads without saying so again, in milliseconds.
    pub lease_ms: u64,
    /// Most rows of one settlement file.
    pub rows_max: usize,
    /// Whether the day that is not over is judged as well, where the processor publishes its settlement so far: other amounts and currencies are listed at
    /// once, what is missing or double when it is over. A break that is listed stays, whatever the processor says later.
    pub judge_today: bool,
    /// The tenant of those who operate the service: it alone sees what is of all tenants together (days that were reconciled, the processor's faults), and
    /// breaks which are about no payment of any tenant. Empty, as on a developer's machine: any tenant sees the former, `operator` the latter.
    pub operator: String,
}

impl Default for ReconciliationSettings {
    fn default() -> Self {
        Self {
            interval_ms: 60_000,
            lease_ms: 10_000,
            rows_max: 100_000,
            judge_today: false,
            operator: String::new(),
        }
    }
}
