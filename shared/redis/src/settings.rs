//! What an operator may tune about a connection to Redis.

use std::time::Duration;

use resilience::BreakerSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and deadlines of one connection to Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// How long one attempt to connect may take.
    pub connect_timeout_ms: u64,
    /// The longest pause between two attempts to connect again; it begins small and doubles, with jitter.
    pub reconnect_pause_ms_max: u64,
    /// How long a command may take that nobody's request waits for.
    pub command_deadline_ms: u64,
    /// How long a command on a request's path may take before the request goes on without it.
    pub quick_deadline_ms: u64,
    /// When commands on a request's path leave a slow server alone, and for how long.
    pub breaker: BreakerSettings,
    /// How long the health probe may take. After an answer that did not come, a connection that does not answer within this
    /// time either is replaced.
    pub probe_timeout_ms: u64,
    /// Commands in flight at once; further ones wait, within their deadline.
    pub in_flight_max: u32,
    /// How often a subscription's connection is asked whether it still lives.
    pub subscription_ping_ms: u64,
    /// Messages of one subscription that wait to be read; past it they are dropped, and the reader is told so.
    pub subscription_buffer_max: u32,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 2_000,
            reconnect_pause_ms_max: 1_000,
            command_deadline_ms: 1_000,
            quick_deadline_ms: 50,
            breaker: BreakerSettings::default(),
            probe_timeout_ms: 500,
            in_flight_max: 1_024,
            subscription_ping_ms: 500,
            subscription_buffer_max: 4_096,
        }
    }
}

impl RedisSettings {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn command_deadline(&self) -> Duration {
        Duration::from_millis(self.command_deadline_ms)
    }

    pub(crate) fn quick_deadline(&self) -> Duration {
        Duration::from_millis(self.quick_deadline_ms)
    }

    /// How long a probe may take.
    pub fn probe_timeout(&self) -> Duration {
        Duration::from_millis(self.probe_timeout_ms)
    }

    pub(crate) fn subscription_ping(&self) -> Duration {
        Duration::from_millis(self.subscription_ping_ms.max(1))
    }

    /// The pause after failed attempt number `attempt` (from 1), half of it jitter: many processes come back one by one.
    pub(crate) fn reconnect_pause(&self, attempt: u32) -> Duration {
        const FIRST_MS: u64 = 20;
        let most = FIRST_MS
            .saturating_mul(1 << attempt.saturating_sub(1).min(16))
            .min(self.reconnect_pause_ms_max);
        Duration::from_millis(most).mul_f64(0.5 + 0.5 * rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_a_sound_catalogue() {
        config::Catalog::of::<RedisSettings>()
            .check()
            .expect("documented, settable, unambiguous");
    }

    #[test]
    fn pauses_grow_up_to_their_limit() {
        let settings = RedisSettings::default();
        assert!(settings.reconnect_pause(1) <= Duration::from_millis(20));
        assert!((1..200).all(|attempt| settings.reconnect_pause(attempt) <= Duration::from_secs(1)));
        assert!(settings.reconnect_pause(200) >= Duration::from_millis(500));
    }
}
