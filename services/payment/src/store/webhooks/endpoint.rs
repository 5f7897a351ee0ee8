//! What happens to an endpoint, whatever keeps it.

use super::{Attempted, DeliveryState, Endpoint, EndpointChange, EndpointState, Patience};

impl Endpoint {
    /// Its owner changes it.
    pub(super) fn changed(&mut self, change: &EndpointChange, now_ms: u64) {
        if let Some(url) = &change.url {
            self.url.clone_from(url);
        }
        if let Some(kinds) = &change.kinds {
            self.kinds.clone_from(kinds);
        }
        if let Some(description) = &change.description {
            self.description.clone_from(description);
        }
        let state = match change.enabled {
            Some(true) => EndpointState::Enabled,
            Some(false) => EndpointState::Disabled,
            None => return,
        };
        if self.state != state {
            self.state = state;
            self.state_at_ms = now_ms;
            self.failing_since_ms = None;
            self.dead_in_a_row = 0;
        }
    }

    /// An attempt failed; enough of them disable it.
    pub(super) fn failed(&mut self, result: &Attempted, patience: Patience) {
        let since_ms = *self.failing_since_ms.get_or_insert(result.at_ms);
        if result.state == DeliveryState::Dead {
            self.dead_in_a_row = self.dead_in_a_row.saturating_add(1);
        }
        let too_long = result.at_ms.saturating_sub(since_ms) >= patience.failing_ms_max;
        if self.state == EndpointState::Enabled && (too_long || self.dead_in_a_row >= patience.dead_max) {
            self.state = EndpointState::Failed;
            self.state_at_ms = result.at_ms;
        }
    }

    /// Whether the former secret signs beside the present one at `now_ms`.
    pub fn former_at(&self, now_ms: u64) -> Option<&[u8]> {
        let former = self.former.as_ref().filter(|former| now_ms < former.until_ms);
        former.map(|former| former.sealed.as_slice())
    }
}
