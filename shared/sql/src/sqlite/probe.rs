//! Health: a write of its own, with a deadline.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::{ConnectOptions, SqliteConnection};
use tokio::time::{Instant, timeout_at};

use super::Inner;
use crate::{SqlError, Sqlite};

/// Makes the one-row table that the probe writes to.
pub(crate) async fn prepare(writer: &mut SqliteConnection) -> Result<(), SqlError> {
    let made: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = 'sql_health'")
        .fetch_optional(&mut *writer)
        .await?;
    if made.is_none() {
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS sql_health (id INTEGER PRIMARY KEY CHECK (id = 1), beats INTEGER NOT NULL);
             INSERT OR IGNORE INTO sql_health (id, beats) VALUES (1, 0);",
        )
        .execute(writer)
        .await?;
    }
    Ok(())
}

impl Sqlite {
    /// Whether the database can be written now: commits one row on a connection of its own, within
    /// `probe_timeout_ms`. Fails when the lock is held by a stalled writer, when the disk is full, read-only or does not
    /// answer, and when the path no longer leads to the open file (from then on writes are refused too, until it does).
    ///
    /// Waiting behind this handle's own writes is not a failure as long as they are committed.
    pub async fn probe(&self) -> Result<(), SqlError> {
        let inner = Arc::clone(&self.inner);
        let deadline = Instant::now() + inner.settings.probe_timeout();
        // The beat goes on by itself past the deadline and keeps the slot: a disk that hangs holds one thread, not one
        // more with each probe.
        let slot = timeout_at(deadline, Arc::clone(&inner.probe).lock_owned())
            .await
            .map_err(|_| SqlError::Deadline)?;
        let beat = tokio::spawn(async move {
            let mut slot = slot;
            inner.beat(&mut slot, deadline).await
        });
        match timeout_at(deadline, beat).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(SqlError::Unexpected(panicked.to_string())),
            Err(_) => Err(SqlError::Deadline),
        }
    }
}

impl Inner {
    async fn beat(&self, slot: &mut Option<SqliteConnection>, deadline: Instant) -> Result<(), SqlError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(SqlError::Closed);
        }
        let commits_before = self.commits.load(Ordering::Relaxed);
        let file = self.file.clone();
        let in_place = tokio::task::spawn_blocking(move || file.is_in_place())
            .await
            .unwrap_or(false);
        self.file_lost.store(!in_place, Ordering::Relaxed);
        if !in_place {
            *slot = None;
            return Err(SqlError::FileLost);
        }
        // The connection goes back only after an answer that leaves it sound.
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => {
                self.connect
                    .clone()
                    .busy_timeout(self.settings.probe_timeout() / 8)
                    .connect()
                    .await?
            }
        };
        loop {
            let beat = sqlx::query("UPDATE sql_health SET beats = beats + 1 WHERE id = 1");
            match beat.execute(&mut connection).await.map_err(SqlError::from) {
                Ok(done) if done.rows_affected() == 1 => break,
                Ok(_) => return Err(SqlError::Unexpected("the health row is gone".to_owned())),
                Err(SqlError::Busy) if self.commits.load(Ordering::Relaxed) != commits_before => break,
                Err(SqlError::Busy) if Instant::now() < deadline => {}
                Err(SqlError::Busy) => {
                    *slot = Some(connection);
                    return Err(SqlError::Busy);
                }
                Err(error) => return Err(error),
            }
        }
        *slot = Some(connection);
        Ok(())
    }
}
