//! Settings of the feed.

use leases::LeaderSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How what the ledger committed gets into the stream `ledger`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeedSettings {
    /// Whether it does.
    pub enabled: bool,
    /// Pause between two looks at the ledger, in milliseconds.
    pub poll_ms: u64,
    /// How long this process has the feed to itself without saying so again, in milliseconds.
    pub lease_ms: u64,
    /// KiB of event data a second, on average: a ledger that is faster is followed later, and one that always is never
    /// caught up with, so that the feed takes little from it. At 2,048 it
    /// took 40 % of what two cores do, for the stream flushes each event to disk.
    pub kib_per_s_max: u32,
    /// Events that its stream may hold for the feed to go on: a reader that is away must not fill the disk that payments' events need too.
    pub stream_events_max: u64,
    /// KiB that its stream may hold for the feed to go on.
    pub stream_kib_max: u64,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            poll_ms: 500,
            lease_ms: 10_000,
            kib_per_s_max: 256,
            stream_events_max: 250_000,
            stream_kib_max: 262_144,
        }
    }
}

impl FeedSettings {
    pub(crate) fn leader(&self) -> LeaderSettings {
        LeaderSettings {
            ttl_ms: self.lease_ms,
            tick_ms: self.poll_ms,
            ..LeaderSettings::default()
        }
    }
}
