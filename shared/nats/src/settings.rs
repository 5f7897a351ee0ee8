//! What an operator may tune about a connection to NATS.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and deadlines of one connection to NATS. How soon a write is on the disk is the server's setting, not ours:
/// `sync_interval: always`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NatsSettings {
    /// How long connecting may take at the start, and each attempt to connect again.
    pub connect_timeout_ms: u64,
    /// The longest pause between two attempts to connect again; it begins small and doubles, with jitter.
    pub reconnect_pause_ms_max: u64,
    /// How long one read or write may take. A write that is not answered by then has an unknown outcome.
    pub request_timeout_ms: u64,
    /// How long the health probe may take before the server counts as lost.
    pub probe_timeout_ms: u64,
    /// How often an idle connection is asked whether it still lives; after two silent times it is replaced.
    pub ping_interval_ms: u64,
    /// Appends that wait for their answers at once; further ones wait for a place, within their deadline.
    pub in_flight_max: u32,
    /// Servers that keep each stream and bucket; more than one needs a cluster.
    pub replicas: u32,
    /// KiB that one bucket of keys and values may take; the server sets them aside.
    pub bucket_kib_max: u64,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 2_000,
            reconnect_pause_ms_max: 1_000,
            request_timeout_ms: 2_000,
            probe_timeout_ms: 500,
            ping_interval_ms: 5_000,
            in_flight_max: 512,
            replicas: 1,
            bucket_kib_max: 8_192,
        }
    }
}

impl NatsSettings {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn probe_timeout(&self) -> Duration {
        Duration::from_millis(self.probe_timeout_ms)
    }

    pub(crate) fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms.max(1))
    }

    /// The pause after failed attempt number `attempt` (from 1): many processes come back one by one.
    pub(crate) fn reconnect_pause(&self, attempt: usize) -> Duration {
        const FIRST_MS: u64 = 20;
        let most = FIRST_MS
            .saturating_mul(1 << attempt.saturating_sub(1).min(16))
            .min(self.reconnect_pause_ms_max);
        Duration::from_millis(most).mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_a_sound_catalogue() {
        config::Catalog::of::<NatsSettings>()
            .check()
            .expect("documented, settable, unambiguous");
    }

    #[test]
    fn pauses_grow_up_to_their_limit() {
        let settings = NatsSettings::default();
        assert!(settings.reconnect_pause(1) <= Duration::from_millis(20));
        assert!((1..200).all(|attempt| settings.reconnect_pause(attempt) <= Duration::from_secs(1)));
        assert!(settings.reconnect_pause(200) >= Duration::from_millis(500));
    }
}
