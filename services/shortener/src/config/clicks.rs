//! Settings of clicks on their way from a redirect into the counts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use streams::StreamSettings;

use super::SettingError;
use crate::clicks::{EventBounds, VISIT_LANES};

/// See [`ClickSettings::append_clicks_max`].
const APPEND_CLICKS_MAX: usize = 65_536;

/// How clicks travel from a redirect into the counts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClickSettings {
    /// Whether it is told apart who follows: `full` or `off`. Off, a click is counted with its link and its time alone; robots cannot be told
    /// from people then.
    pub analytics: Analytics,
    /// How often the key of visitors' pseudonyms is looked after, in milliseconds. A new day's is fetched an hour before it begins.
    pub visitor_key_interval_ms: u64,
    /// Whether a redirect is answered only once its click is in the stream or the spool, so that a kill loses none; each redirect then
    /// waits for an append.
    pub durable: bool,
    /// How long a redirect waits for that, in milliseconds; then it is 503, and its click may be counted all the same.
    pub durable_wait_ms: u64,
    /// Clicks that may wait in memory to be appended to the stream; further ones are not counted, but for a metric.
    pub queue_max: usize,
    /// How long clicks are gathered before they are appended as one event, in milliseconds. With the append itself this
    /// bounds what a kill loses.
    pub flush_interval_ms: u64,
    /// Most clicks in one event; those of one visitor in one millisecond count as one.
    pub event_clicks_max: usize,
    /// Most links in one event.
    pub event_links_max: usize,
    /// Most kinds of visits (country, device, browser, robot, referrer) in one event; at most 65,535.
    pub event_kinds_max: usize,
    /// Most clicks of one append that are traced.
    pub event_traces_max: usize,
    /// How long a failed append waits before it is tried again, in milliseconds.
    pub retry_ms: u64,
    /// Where clicks wait while a stream on another machine is away: `sqlite:PATH`. An embedded stream needs none.
    pub spool_url: String,
    /// Click events that the spool may hold; while it is full, clicks wait in memory.
    pub spool_events_max: u64,
    /// KiB of click events that the spool may hold.
    pub spool_kib_max: u64,
    /// How long the stream may take for an append before its clicks go into the spool, in milliseconds.
    pub append_timeout_ms: u64,
    /// How long the last append may take when the service stops, in milliseconds.
    pub drain_ms: u64,
    /// How long the ids of counted events are remembered, in milliseconds; longer than a redelivery can take. In a CQL store a week at
    /// least.
    pub event_ids_keep_ms: u64,
}

/// What is kept of who follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Analytics {
    /// Country, device, browser, referrer's host, and a pseudonym for a day.
    #[default]
    Full,
    /// Nothing.
    Off,
}

impl Default for ClickSettings {
    fn default() -> Self {
        Self {
            analytics: Analytics::Full,
            visitor_key_interval_ms: 60_000,
            durable: false,
            durable_wait_ms: 3_000,
            queue_max: 65_536,
            flush_interval_ms: 40,
            event_clicks_max: 2_400,
            event_links_max: 300,
            event_kinds_max: 300,
            event_traces_max: 64,
            retry_ms: 100,
            spool_url: "sqlite:.orrery/spool.db".to_owned(),
            spool_events_max: 200_000,
            spool_kib_max: 262_144,
            append_timeout_ms: 1_000,
            drain_ms: 2_000,
            event_ids_keep_ms: 24 * 60 * 60 * 1_000,
        }
    }
}

impl ClickSettings {
    pub(crate) fn flush_interval(&self) -> Duration {
        Duration::from_millis(self.flush_interval_ms.max(1))
    }

    /// How long a redirect waits for its click, where it does.
    pub(crate) fn durable_wait(&self) -> Option<Duration> {
        self.durable.then(|| Duration::from_millis(self.durable_wait_ms))
    }

    pub(crate) fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_ms.max(1))
    }

    pub(crate) fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms.max(1))
    }

    /// The spool's bounds. What was sent on need not be kept, and ids matter to the stream, not here.
    pub(crate) fn spool(&self, streams: &StreamSettings) -> StreamSettings {
        StreamSettings {
            events_max: self.spool_events_max,
            kib_max: self.spool_kib_max,
            dedupe_window_ms: 1_000,
            retention_ms: 0,
            ..streams.clone()
        }
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// How large an event may become.
    pub(crate) fn event_bounds(&self) -> EventBounds {
        EventBounds {
            clicks_max: self.event_clicks_max,
            links_max: self.event_links_max,
            kinds_max: self.event_kinds_max,
            traces_max: self.event_traces_max,
        }
    }

    /// Most clicks of one append: bounds the memory and the time of one.
    pub(crate) fn append_clicks_max(&self) -> usize {
        self.queue_max.clamp(1, APPEND_CLICKS_MAX)
    }

    /// An event or an append that the stream refuses would be lost, and so would every other.
    pub(super) fn check(&self, streams: &StreamSettings) -> Result<(), SettingError> {
        let refuse = |setting, rule, found: usize| {
            Err(SettingError {
                setting,
                rule,
                found: found.to_string(),
            })
        };
        let bounds = self.event_bounds();
        let smaller = bounds.clicks_max.min(bounds.links_max).min(bounds.kinds_max);
        if smaller == 0 {
            return refuse(
                "clicks.event_clicks_max",
                "and clicks.event_links_max and clicks.event_kinds_max must be at least 1",
                smaller,
            );
        }
        if bounds.kinds_max > usize::from(u16::MAX) {
            return refuse(
                "clicks.event_kinds_max",
                "must be at most 65535",
                bounds.kinds_max,
            );
        }
        if bounds.bytes_max() > streams.event_bytes_max as usize {
            return refuse(
                "clicks.event_clicks_max",
                "with clicks.event_links_max and clicks.event_kinds_max must be so small that an event fits streams.event_bytes_max",
                bounds.clicks_max,
            );
        }
        // An event is full when it has as many links, clicks or kinds as it may; each lane may have one more that is not.
        let events_max = self.append_clicks_max().div_ceil(smaller) + usize::from(VISIT_LANES);
        if events_max > streams.batch_max as usize {
            return refuse(
                "clicks.event_links_max",
                "and clicks.event_clicks_max and clicks.event_kinds_max must be so large that an append fits streams.batch_max",
                smaller,
            );
        }
        Ok(())
    }
}
