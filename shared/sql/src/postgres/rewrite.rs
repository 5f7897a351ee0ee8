//! Tables written anew, so that nothing of what was deleted or replaced stays in their files.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Inner, Postgres, pool};
use crate::SqlError;
use crate::error::Cause;

/// How long others may queue behind a try at the lock of a table that somebody uses, and how long they are then left alone.
const LOCK_PATIENCE: &str = "SET lock_timeout = '50ms'";
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// Pause before another look at who is older.
const ELDERS_PAUSE: Duration = Duration::from_millis(100);

/// Whether this user may rewrite a table: its owner may, and from version 17 on who was granted it.
const MAY_REWRITE: &str =
    "SELECT pg_has_role(relowner, 'USAGE') OR CASE WHEN current_setting('server_version_num')::INT >= 170000
         THEN has_table_privilege(oid, 'MAINTAIN') ELSE false END
     FROM pg_class WHERE oid = to_regclass($1)";

/// Freed by the end of the session: `VACUUM` is in no transaction.
const ALONE: &str = "SELECT pg_try_advisory_lock(hashtextextended('orrery rewrite ' || $1, 0))";

/// The newest transaction whose drops are to leave. What is from another server, whose count was ahead when it was copied, is bounded by ours.
const NEWEST: &str = "SELECT least($1, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)";

/// Whether any session began before a transaction ended: then the rows it dropped would stay. A plain `VACUUM` keeps nothing from being
/// removed; who writes in another database does, for the rewriting's own snapshot is as old. Slots, standbys and prepared transactions are not looked for: [`is_rid`] is the judge, and this only spares the tables a rewriting in vain.
const ELDERS: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint <= $1 OR EXISTS (
         SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND pg_current_xact_id()::text::bigint - greatest(age(backend_xmin), age(backend_xid)) <= $1
           AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum))";

/// What came of [`Postgres::rewrite`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// The tables have new files without what was dropped, and the former ones are cut to nothing.
    Done,
    /// What was dropped may still stand in the files: something older may still read it.
    Held,
    /// Another process rewrote tables of this schema, and has ended: what came of it is to be looked at anew.
    ByAnother,
    /// This user may not, and nothing was done: the server would only warn, and pass them over.
    NotAllowed,
}

impl Postgres {
    /// A table with its schema, as a statement names it.
    pub fn qualified(&self, table: &str) -> String {
        // Both are plain: the URL allows no other name for the schema.
        format!("{}.{table}", self.inner.schema)
    }

    /// The statement that [`Postgres::rewrite`] runs, for whoever has the right. It has to be sent by itself.
    pub fn rewrite_statement(&self, tables: &[&'static str]) -> String {
        let named: Vec<String> = tables.iter().map(|table| self.qualified(table)).collect();
        format!("VACUUM (FULL) {}", named.join(", "))
    }

    /// An SQL condition: whether tables that were rewritten are rid of what transactions up to `dropped_by` (an expression of type bigint) dropped.
    pub fn is_rid_condition(&self, tables: &[&'static str], dropped_by: &str) -> String {
        is_rid(&self.inner.schema, tables, dropped_by)
    }

    /// Writes tables of the schema anew by `VACUUM (FULL)`, under `name`: rows that were deleted or replaced leave the server's files, which a plain `VACUUM`
    /// only frees for others to be written over. Reads and writes of a table wait while it is written; one process at a time does it. `dropped_by` is the
    /// newest transaction (`pg_current_xact_id`) whose drops are to leave: while anything older may still read them the answer is [`Rewritten::Held`].
    /// All of it may take as long as a step of a migration; a lock that others hold is tried for a moment, once a second.
    pub async fn rewrite(
        &self,
        name: &'static str,
        tables: &[&'static str],
        dropped_by: i64,
    ) -> Result<Rewritten, SqlError> {
        let inner = &*self.inner;
        let mut operation = inner.operations.begin(name);
        let deadline = Instant::now() + inner.settings.migrate_deadline();
        let outcome = inner.rewrite(tables, dropped_by, deadline).await;
        match &outcome {
            Ok(_) => operation.ok(),
            Err(error) => operation.failed(error.code()),
        }
        outcome
    }
}

/// `VACUUM (FULL)` keeps what anybody may read who is older than a transaction that it chooses, and leaves that one as the table's `relfrozenxid`. So
/// this is what it went by itself: sessions of any user, prepared transactions, replication slots and standbys.
fn is_rid(schema: &str, tables: &[&'static str], dropped_by: &str) -> String {
    let named: Vec<String> = tables
        .iter()
        .map(|table| format!("'{schema}.{table}'::regclass"))
        .collect();
    // The count is asked for first: ages are from the transaction's own, once it has one.
    format!(
        "(SELECT min(pg_current_xact_id()::text::bigint - age(relfrozenxid)) FROM pg_class WHERE oid IN ({})) > {dropped_by}",
        named.join(", ")
    )
}

impl Inner {
    async fn rewrite(
        &self,
        tables: &[&'static str],
        dropped_by: i64,
        deadline: Instant,
    ) -> Result<Rewritten, SqlError> {
        // Of its own, closed by being dropped: other connections have other deadlines.
        let mut connection = pool::connect(&self.chore_session, deadline).await?;
        let outcome = timeout_at(
            deadline,
            self.rewrite_on(&mut connection, tables, dropped_by, deadline),
        )
        .await
        .map_err(|_| SqlError::Deadline)??;
        // Done is done: how the connection ends does not matter.
        let _ = timeout_at(deadline, connection.close()).await;
        Ok(outcome)
    }

    async fn rewrite_on(
        &self,
        connection: &mut PgConnection,
        tables: &[&'static str],
        dropped_by: i64,
        deadline: Instant,
    ) -> Result<Rewritten, SqlError> {
        for table in tables {
            let may = sqlx::query_scalar(MAY_REWRITE).bind(format!("{}.{table}", self.schema));
            let may: Option<bool> = may.fetch_one(&mut *connection).await?;
            if may != Some(true) {
                return Ok(Rewritten::NotAllowed);
            }
        }
        if self.is_waited_for(connection, deadline).await? {
            return Ok(Rewritten::ByAnother);
        }
        let newest = sqlx::query_scalar(NEWEST).bind(dropped_by);
        let newest: i64 = newest.fetch_one(&mut *connection).await?;
        // What this program itself begins is over by then.
        let patience = deadline.min(Instant::now() + self.settings.write_deadline());
        while sqlx::query_scalar(ELDERS)
            .bind(newest)
            .fetch_one(&mut *connection)
            .await?
        {
            if Instant::now() + ELDERS_PAUSE >= patience {
                return Ok(Rewritten::Held);
            }
            sleep(ELDERS_PAUSE).await;
        }
        sqlx::raw_sql(LOCK_PATIENCE).execute(&mut *connection).await?;
        for table in tables {
            self.rewrite_one(connection, table, deadline).await?;
        }
        let query = format!("SELECT {}", is_rid(&self.schema, tables, "$1"));
        let is_rid = sqlx::query_scalar(AssertSqlSafe(query)).bind(newest);
        let is_rid: bool = is_rid.fetch_one(connection).await?;
        Ok(if is_rid { Rewritten::Done } else { Rewritten::Held })
    }

    /// Becomes the one process that rewrites; says whether another one was, and had to be waited for.
    async fn is_waited_for(
        &self,
        connection: &mut PgConnection,
        deadline: Instant,
    ) -> Result<bool, SqlError> {
        let mut waited = false;
        loop {
            let alone = sqlx::query_scalar(ALONE).bind(&self.schema);
            if alone.fetch_one(&mut *connection).await? {
                return Ok(waited);
            }
            if Instant::now() + LOCK_PAUSE >= deadline {
                return Err(SqlError::Busy);
            }
            waited = true;
            sleep(LOCK_PAUSE).await;
        }
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
