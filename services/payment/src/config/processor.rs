//! Settings of the payment processor.

use config::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The payment processor: a third party.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessorSettings {
    /// Where it is reached, `http://host:port`: plain, so over a network only where that is trusted or encrypts by itself.
    pub url: String,
    /// What it knows us by.
    pub api_key: Secret,
    /// What its webhooks are signed with, `whsec_` and base64.
    pub webhook_secret: Secret,
    /// How long one call to it may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for ProcessorSettings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8102".to_owned(),
            api_key: Secret::default(),
            webhook_secret: Secret::default(),
            timeout_ms: 2_000,
        }
    }
}
