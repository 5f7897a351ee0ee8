//! Settings of what is remembered before the first request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is remembered before a process says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarmUpSettings {
    /// The hottest codes of the last hours that are looked up before the first request, at most; 0 for none.
    pub codes_max: usize,
    /// Look-ups at the same time.
    pub loads_max: usize,
    /// How long all of it may take, in milliseconds. What is not remembered by then is looked up when it is asked for.
    pub deadline_ms: u64,
}

impl Default for WarmUpSettings {
    fn default() -> Self {
        Self {
            codes_max: 1_000,
            loads_max: 32,
            deadline_ms: 2_000,
        }
    }
}
