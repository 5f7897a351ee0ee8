use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much is kept, for how long, and how hard the origin may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// The most entries kept.
    pub capacity: usize,
    /// The longest time for which a value is served after its load began; with a shared level, for which it is kept there.
    pub ttl_ms: u64,
    /// The largest share of the time to live that is taken off by chance, from 0 to 1.
    pub ttl_jitter: f64,
    /// The longest time for which "not there" is believed, unless a shared level has its own.
    pub negative_ttl_ms: u64,
    /// How eagerly entries are refreshed before they expire; 0 never, 1 as the paper does, more is earlier.
    pub xfetch_beta: f64,
    /// Loads that run at once.
    pub loads_max: usize,
    /// Loads that wait for their turn; more are refused.
    pub loads_waiting_max: usize,
    /// How long a load may take, its wait included.
    pub load_timeout_ms: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            ttl_ms: 60_000,
            ttl_jitter: 0.1,
            negative_ttl_ms: 5_000,
            xfetch_beta: 1.0,
            loads_max: 64,
            loads_waiting_max: 1_024,
            load_timeout_ms: 2_000,
        }
    }
}

impl CacheSettings {
    /// How long a value, or an absence, is believed.
    pub(crate) fn ttl(&self, present: bool) -> Duration {
        Duration::from_millis(if present {
            self.ttl_ms
        } else {
            self.negative_ttl_ms
        })
    }

    /// A time to live less its jitter; `chance` is from 0 to 1.
    pub(crate) fn jittered(&self, ttl: Duration, chance: f64) -> Duration {
        // TOML can say `nan`; a time to live must not.
        let jitter = if self.ttl_jitter.is_finite() {
            self.ttl_jitter.clamp(0.0, 1.0)
        } else {
            0.0
        };
        ttl.mul_f64(1.0 - jitter * chance.clamp(0.0, 1.0))
    }

    pub(crate) fn load_timeout(&self) -> Duration {
        Duration::from_millis(self.load_timeout_ms)
    }
}
