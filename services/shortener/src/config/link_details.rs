//! Settings of the parts that most links do not have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How large the parts of a link may be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetailLimits {
    /// Longest title, in characters.
    pub title_chars_max: usize,
    /// Longest notes, in characters.
    pub notes_chars_max: usize,
    /// Most destinations beside a link's own.
    pub destinations_max: usize,
    /// Longest time that an edge may be allowed to answer in our place, in seconds.
    pub edge_cache_s_max: u32,
    /// How much longer it may while it asks again (`stale-while-revalidate`), in seconds.
    pub edge_stale_s: u32,
}

impl Default for DetailLimits {
    fn default() -> Self {
        Self {
            title_chars_max: 200,
            notes_chars_max: 2_000,
            destinations_max: 20,
            edge_cache_s_max: 24 * 60 * 60,
            edge_stale_s: 30,
        }
    }
}
