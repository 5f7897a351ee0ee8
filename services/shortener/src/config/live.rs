//! Settings of pages that are kept up to date.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How pages are kept up to date. Each one that is looked at holds a connection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// Most pages at a time; a further one stays as it was, and tries again every 10 s.
    pub streams_max: usize,
    /// How often each looks for something new, in milliseconds; at least 100.
    pub every_ms: u64,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            streams_max: 100,
            every_ms: 1_000,
        }
    }
}
