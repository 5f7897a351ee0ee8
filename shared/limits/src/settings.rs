use crate::Rate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroUsize};

/// How fast each key may go, and how many keys are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests that a key may make at once after a pause.
    pub burst: NonZeroU32,
    /// Requests per second that a key may keep up.
    pub refill_per_second: NonZeroU32,
    /// Keys in debt that are remembered at once; more are refused until one has recovered.
    pub keys_max: NonZeroUsize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            burst: const { NonZeroU32::new(2_000).expect("not zero") },
            refill_per_second: const { NonZeroU32::new(1_000).expect("not zero") },
            keys_max: const { NonZeroUsize::new(10_000).expect("not zero") },
        }
    }
}

impl LimitSettings {
    /// As the bucket reckons with it.
    pub fn rate(&self) -> Rate {
        Rate::new(self.burst, self.refill_per_second)
    }
}

/// What happens to a request while the buckets that several processes share cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// This process's own bucket of the key decides.
    #[default]
    Local,
    /// It is refused.
    Refuse,
}
