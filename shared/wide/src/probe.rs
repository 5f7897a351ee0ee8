//! Health: a write of its own, with a deadline.

use scylla::serialize::row::SerializeRow;
use tokio::time::Instant;

use crate::error::Effect;
use crate::{Level, Statement, Wide, WideError};

const BEAT: Statement = Statement::write(
    "probe",
    "UPDATE {keyspace}.wide_state SET at_ms = ? WHERE part = 'health' AND item = 0",
    Level::LocalQuorum,
);

impl Wide {
    /// Whether the keyspace can be written now: writes one row at a quorum within `probe_timeout_ms`. The keyspace must have
    /// been migrated.
    pub async fn probe(&self) -> Result<(), WideError> {
        let at_ms = i64::try_from(self.inner.clock.unix_ms()).unwrap_or(i64::MAX);
        self.measured(BEAT.name, self.beat((at_ms,))).await
    }

    async fn beat(&self, values: impl SerializeRow) -> Result<(), WideError> {
        let deadline = Instant::now() + self.inner.settings.probe_timeout();
        let bound = self.inner.bound(&BEAT, values, None, deadline).await?;
        // It takes no room from requests and waits for none: a session that is busy is healthy.
        match self.inner.sent(&bound, Effect::Write, deadline).await {
            Ok(_) => Ok(()),
            // Nobody cares whether a beat stands: what counts is that no answer came.
            Err(WideError::Unknown(_)) => Err(WideError::Deadline),
            Err(error) => Err(error),
        }
    }
}
