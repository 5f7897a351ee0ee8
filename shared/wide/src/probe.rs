//! Health: a write of its own, with a deadline.

use crate::{Wide, WideError};

impl Wide {
    /// Whether the keyspace can be written now: writes one row at a quorum within `probe_timeout_ms`. The keyspace must have
    /// been migrated.
    pub async fn probe(&self) -> Result<(), WideError> {
        Err(WideError::Unexpected("not yet".to_owned()))
    }
}
