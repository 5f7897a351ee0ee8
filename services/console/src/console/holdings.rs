//! How much is held.

use super::{Console, Seen};
use crate::model::Holdings;

impl Console {
    /// What the console holds now.
    pub fn holdings(&self) -> Holdings {
        self.held(&self.seen())
    }

    pub(super) fn held(&self, seen: &Seen) -> Holdings {
        Holdings {
            traces: seen.traces.len(),
            spans: seen.traces.spans(),
            bytes: seen.traces.bytes() + seen.other_bytes(),
            bytes_max: self.0.limits.bytes_max,
            spans_received: seen.received,
            spans_evicted: seen.evicted,
        }
    }
}
