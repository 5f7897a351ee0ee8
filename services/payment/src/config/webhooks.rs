//! Settings of webhooks to merchants.

use std::time::Duration;

use outbound::OutboundSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingError;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Webhooks to merchants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where they may lead, and what a receiver may cost.
    pub outbound: OutboundSettings,
    /// Most endpoints of a tenant.
    pub endpoints_max: u32,
    /// How long a former secret signs beside the one that followed it, in milliseconds.
    pub secret_overlap_ms: u64,
    /// Deliveries that one process has in flight at once; at most `outbound.exchanges_max`.
    pub at_once_max: usize,
    /// Deliveries that one process has in flight to one endpoint.
    pub each_max: u32,
    /// Pause between two looks for deliveries that are due, in milliseconds.
    pub poll_interval_ms: u64,
    /// How long a delivery belongs to the process that took it, in milliseconds: longer than an exchange may take.
    pub lease_ms: u64,
    /// So many deliveries given up in a row disable an endpoint.
    pub dead_in_a_row_max: u32,
    /// So long without a single success, while there were failures, disables an endpoint, in milliseconds.
    pub failing_ms_max: u64,
    /// How long deliveries that are over are kept, in milliseconds.
    pub keep_ms: u64,
    /// How often those that are kept no longer are looked for, in milliseconds.
    pub garbage_interval_ms: u64,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            outbound: OutboundSettings::default(),
            endpoints_max: 20,
            secret_overlap_ms: DAY_MS,
            at_once_max: 64,
            each_max: 4,
            poll_interval_ms: 500,
            lease_ms: 60_000,
            dead_in_a_row_max: 10,
            failing_ms_max: 5 * DAY_MS,
            keep_ms: 30 * DAY_MS,
            garbage_interval_ms: 60_000,
        }
    }
}

impl WebhookSettings {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let exchange_ms = self.outbound.total_timeout_ms + self.outbound.body_wait_ms;
        if self.lease_ms < 2 * exchange_ms {
            return Err(SettingError::new(
                "webhooks.lease_ms",
                "must be at least twice webhooks.outbound.total_timeout_ms and body_wait_ms together: a delivery must not be taken while it is under way",
                self.lease_ms,
            ));
        }
        if self.at_once_max == 0 || self.at_once_max > self.outbound.exchanges_max {
            return Err(SettingError::new(
                "webhooks.at_once_max",
                "must be between 1 and webhooks.outbound.exchanges_max",
                self.at_once_max,
            ));
        }
        if self.each_max == 0 || self.dead_in_a_row_max == 0 {
            return Err(SettingError::new(
                "webhooks.each_max",
                "and webhooks.dead_in_a_row_max must be at least 1",
                self.each_max.min(self.dead_in_a_row_max),
            ));
        }
        Ok(())
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms.max(1))
    }
}
