//! How far the fold of a lane is.

use serde::{Deserialize, Serialize};

use super::{Hottest, Seen};
use crate::store::StoreError;
use crate::store::statistics::{LaneId, StoredHead};

/// What of a lane's events is remembered besides the pages. Stored after the pages: until then the events are folded again, and
/// whatever page was stored already passes over them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The position of the last event that was folded.
    #[serde(skip)]
    pub position: u64,
    /// The latest event time so far (Unix ms).
    pub watermark_ms: u64,
    /// Which events were folded.
    pub seen: Seen,
    /// Which codes are followed most.
    pub hottest: Hottest,
}

impl Head {
    /// The head of the same partition once its stream was replaced: positions begin again, and what was seen stays seen.
    #[must_use]
    pub fn of_next_generation(self) -> Self {
        Self { position: 0, ..self }
    }

    /// As it is kept.
    pub(crate) fn to_stored(&self, lane: LaneId) -> StoredHead {
        StoredHead {
            lane,
            position: self.position,
            body: serde_json::to_vec(self).expect("numbers and texts are JSON"),
        }
    }

    /// As it was kept.
    pub fn from_stored(stored: &StoredHead) -> Result<Self, StoreError> {
        let head: Self = serde_json::from_slice(&stored.body)
            .map_err(|error| StoreError::Corrupt(format!("the head of a lane of visits: {error}")))?;
        Ok(Self {
            position: stored.position,
            ..head
        })
    }
}
