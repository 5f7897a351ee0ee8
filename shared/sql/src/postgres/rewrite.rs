//! Tables written anew, so that nothing of what was deleted or replaced stays in their files.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Inner, Postgres, pool};
use crate::SqlError;
use crate::error::Cause;

/// Pause before another try at a lock that others hold.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Whether this user may rewrite a table: its owner may, and from version 17 on who was granted it.
const MAY_REWRITE: &str =
    "SELECT pg_has_role(relowner, 'USAGE') OR CASE WHEN current_setting('server_version_num')::INT >= 170000
         THEN has_table_privilege(oid, 'MAINTAIN') ELSE false END
     FROM pg_class WHERE oid = to_regclass($1)";

/// What came of [`Postgres::rewrite`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// The tables have new files, and the former ones are cut to nothing.
    Done,
    /// This user may not, and nothing was done: the server would only warn, and pass them over.
    NotAllowed,
}

impl Postgres {
    /// The statement that [`Postgres::rewrite`] runs, for whoever has the right.
    pub fn rewrite_statement(&self, tables: &[&'static str]) -> String {
        // The names are plain: the URL allows no other for the schema.
        let named: Vec<String> = tables
            .iter()
            .map(|table| format!("{}.{table}", self.inner.schema))
            .collect();
        format!("VACUUM (FULL) {}", named.join(", "))
    }

    /// Writes tables of the schema anew by `VACUUM (FULL)`, under `name`: rows that were deleted or replaced leave the server's files, which a plain `VACUUM`
    /// only frees for others to be written over. Reads and writes of a table wait meanwhile. Rows that a transaction which is still open may read stay.
    /// Each table may take as long as a step of a migration; a lock is tried for again until then.
    pub async fn rewrite(&self, name: &'static str, tables: &[&'static str]) -> Result<Rewritten, SqlError> {
        let inner = &*self.inner;
        let mut operation = inner.operations.begin(name);
        let deadline = Instant::now() + inner.settings.migrate_deadline();
        let outcome = inner.rewrite(tables, deadline).await;
        match &outcome {
            Ok(_) => operation.ok(),
            Err(error) => operation.failed(error.code()),
        }
        outcome
    }
}

impl Inner {
    async fn rewrite(&self, tables: &[&'static str], deadline: Instant) -> Result<Rewritten, SqlError> {
        // Of its own, closed by being dropped: other connections have other deadlines.
        let mut connection = pool::connect(&self.chore_session, deadline).await?;
        for table in tables {
            let may = sqlx::query_scalar(MAY_REWRITE).bind(format!("{}.{table}", self.schema));
            let may: Option<bool> = timeout_at(deadline, may.fetch_one(&mut connection))
                .await
                .map_err(|_| SqlError::Deadline)?
                .map_err(SqlError::from)?;
            if may != Some(true) {
                return Ok(Rewritten::NotAllowed);
            }
        }
        for table in tables {
            self.rewrite_one(&mut connection, table, deadline).await?;
        }
        // Done is done: how the connection ends does not matter.
        let _ = timeout_at(deadline, connection.close()).await;
        Ok(Rewritten::Done)
    }

    async fn rewrite_one(
        &self,
        connection: &mut PgConnection,
        table: &str,
        deadline: Instant,
    ) -> Result<(), SqlError> {
        let statement = format!("VACUUM (FULL) {}.{table}", self.schema);
        loop {
            let run = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *connection);
            let error = match timeout_at(deadline, run).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => return Err(SqlError::Deadline),
            };
            let is_locked = Cause::of(&error) == Some(Cause::LockTimeout);
            if !is_locked || Instant::now() + LOCK_PAUSE >= deadline {
                return Err(error.into());
            }
            sleep(LOCK_PAUSE).await;
        }
    }
}
