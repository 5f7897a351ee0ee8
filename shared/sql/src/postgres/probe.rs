//! Health: a write of its own, with a deadline.

use std::sync::atomic::Ordering;

use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use super::{Inner, Postgres, pool};
use crate::SqlError;

/// Makes the one-row table that the probe writes to.
pub(super) const PREPARE: &str = "
    CREATE TABLE IF NOT EXISTS sql_health (id INTEGER PRIMARY KEY CHECK (id = 1), beats BIGINT NOT NULL);
    INSERT INTO sql_health (id, beats) VALUES (1, 0) ON CONFLICT DO NOTHING;
";

impl Postgres {
    /// Whether the database can be written now: commits one row on a connection of its own, within `probe_timeout_ms`. Fails
    /// when the server is away or does not answer, when its disk is full, when it is a standby that can only be read, and
    /// before [`Postgres::migrate`].
    pub async fn probe(&self) -> Result<(), SqlError> {
        let inner = &*self.inner;
        let deadline = Instant::now() + inner.settings.probe_timeout();
        timeout_at(deadline, inner.beat(deadline))
            .await
            .unwrap_or(Err(SqlError::Deadline))
    }
}

impl Inner {
    async fn beat(&self, deadline: Instant) -> Result<(), SqlError> {
        let mut slot = self.probe.lock().await;
        if self.closed.load(Ordering::Relaxed) {
            return Err(SqlError::Closed);
        }
        // The connection goes back only after an answer that leaves it sound. One from before the server went away says
        // nothing of the server that is there now.
        if let Some(mut connection) = slot.take() {
            match beat(&mut connection).await {
                Err(SqlError::Unreachable(_)) => {}
                outcome => {
                    *slot = outcome.is_ok().then_some(connection);
                    return outcome;
                }
            }
        }
        let mut connection = pool::connect(&self.probe_session, deadline).await?;
        let outcome = beat(&mut connection).await;
        *slot = outcome.is_ok().then_some(connection);
        outcome
    }
}

async fn beat(connection: &mut PgConnection) -> Result<(), SqlError> {
    let beat = sqlx::query("UPDATE sql_health SET beats = beats + 1 WHERE id = 1");
    match beat.execute(connection).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(SqlError::Unexpected("the health row is gone".to_owned())),
    }
}
