//! What an event of the stream `clicks` carries, which older versions publish. Only read: this one publishes
//! [`VisitEvent`](super::VisitEvent)s.

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use crate::store::{ClickBatch, LinkClicks};

/// The stream's name.
pub(crate) const FORMER_STREAM: &str = "clicks";

/// Every click that was gathered since the last event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormerClickEvent {
    /// The clicks by link.
    pub links: Vec<FormerLinkTimes>,
    /// The `traceparent` of the producer span of each click that is traced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<String>,
}

/// Clicks on one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormerLinkTimes {
    /// Whose link.
    pub tenant: Tenant,
    /// Which link.
    pub link: Id,
    /// Its code when it was followed.
    pub code: String,
    /// When the first click came (Unix ms).
    pub from_ms: u64,
    /// The clicks as they came, the first included: how long after that (ms), and how many.
    pub after_ms: Vec<(u64, u64)>,
}

impl FormerLinkTimes {
    fn clicks(&self) -> u64 {
        self.after_ms.iter().map(|(_, clicks)| clicks).sum()
    }
}

impl FormerClickEvent {
    /// What the store adds to the counts.
    pub(crate) fn sums(&self, event_id: &str, counted_at_ms: u64) -> ClickBatch {
        let sum = |times: &FormerLinkTimes| LinkClicks {
            tenant: times.tenant.clone(),
            link_id: times.link,
            count: times.clicks(),
            last_at_ms: times.from_ms
                + times
                    .after_ms
                    .iter()
                    .map(|(after_ms, _)| *after_ms)
                    .max()
                    .unwrap_or(0),
        };
        ClickBatch {
            event_id: event_id.to_owned(),
            counted_at_ms,
            links: self.links.iter().map(sum).collect(),
        }
    }

    /// How many clicks it carries.
    pub(crate) fn clicks(&self) -> u64 {
        self.links.iter().map(FormerLinkTimes::clicks).sum()
    }

    /// When its first click came (Unix ms).
    pub(crate) fn first_at_ms(&self) -> Option<u64> {
        self.links.iter().map(|times| times.from_ms).min()
    }
}
