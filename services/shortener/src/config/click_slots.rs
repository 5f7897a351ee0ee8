//! Settings of slots of links with a cap.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How slots of links with a cap are shared among processes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlotSettings {
    /// Most slots of a link that a process leases at a time; near the cap fewer. A process that is killed takes so many of them
    /// with it.
    pub block_max: u64,
    /// How long a request waits for a slot to be leased, in milliseconds; then it is 503.
    pub wait_ms: u64,
    /// How long it is believed that no slot is left before the store is asked again, in milliseconds.
    pub none_left_ms: u64,
    /// Slots that nobody took for this long, in milliseconds, are given back; at most twice as long passes.
    pub idle_ms: u64,
    /// Links whose slots a process holds at the same time; those of further ones are refused with 503.
    pub links_max: usize,
    /// How long giving back all slots may take when the service stops, in milliseconds.
    pub drain_ms: u64,
}

impl Default for SlotSettings {
    fn default() -> Self {
        Self {
            block_max: 100,
            wait_ms: 1_000,
            none_left_ms: 1_000,
            idle_ms: 1_000,
            links_max: 10_000,
            drain_ms: 2_000,
        }
    }
}
