//! The write-ahead log, emptied.

use std::time::Duration;

use sqlx::ConnectOptions;
use tokio::time::{Instant, sleep, timeout_at};

use super::Inner;
use crate::{SqlError, Sqlite};

/// Pause before another try while a read holds on to a part of the log.
const READ_PAUSE: Duration = Duration::from_millis(20);

impl Sqlite {
    /// Writes all of the log into the file and cuts the log to nothing, under `name`: of what was deleted or replaced nothing is left in it then. Waits
    /// for reads that began before, in any process, until the deadline of a write: [`SqlError::Busy`].
    pub async fn empty_log(&self, name: &'static str) -> Result<(), SqlError> {
        let inner = &*self.inner;
        let mut operation = inner.operations.begin(name);
        let deadline = Instant::now() + inner.settings.write_deadline();
        let outcome = inner.empty_log(deadline).await;
        match &outcome {
            Ok(()) => operation.ok(),
            Err(error) => operation.failed(error.code()),
        }
        outcome
    }
}

impl Inner {
    async fn empty_log(&self, deadline: Instant) -> Result<(), SqlError> {
        let mut writer = timeout_at(deadline, self.writer.lock())
            .await
            .map_err(|_| SqlError::Overloaded)?;
        self.check_open()?;
        // Taken out as a write does: what is cut off by the deadline still runs.
        let mut connection = match writer.take() {
            Some(connection) => connection,
            None => timeout_at(deadline, self.connect.connect())
                .await
                .map_err(|_| SqlError::Deadline)?
                .map_err(SqlError::from)?,
        };
        // What is in the way is told, also where a try at it is cut off.
        let mut was_busy = false;
        loop {
            // Whether somebody was in the way, and two counts of pages.
            let query = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)");
            let (is_busy, _, _): (i64, i64, i64) = timeout_at(deadline, query.fetch_one(&mut connection))
                .await
                .map_err(|_| {
                    if was_busy {
                        SqlError::Busy
                    } else {
                        SqlError::Deadline
                    }
                })?
                .map_err(SqlError::from)?;
            if is_busy == 0 || Instant::now() + READ_PAUSE >= deadline {
                *writer = Some(connection);
                return if is_busy == 0 { Ok(()) } else { Err(SqlError::Busy) };
            }
            was_busy = true;
            sleep(READ_PAUSE).await;
        }
    }
}
