//! Schema versions in a file: each step in a transaction of its own.

use std::time::Duration;

use sqlx::{Connection, SqlSafeStr, SqliteConnection};
use tokio::time::{Instant, sleep};

use super::Sqlite;
use crate::migrate::{Applied, Plan, Scope, Step};
use crate::{Migration, Scoped, SqlError, scoped};

/// Pause before another try at a file that another process is changing.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// The first table is the one that sqlx's own migrator keeps, as earlier versions of this crate used it.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _sqlx_migrations (
        version BIGINT PRIMARY KEY,
        description TEXT NOT NULL,
        installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        success BOOLEAN NOT NULL,
        checksum BLOB NOT NULL,
        execution_time BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS sql_schema (version INTEGER PRIMARY KEY, works_from INTEGER NOT NULL);
";

impl Sqlite {
    /// Brings the file to the newest version that programs one release older can still work with: each step in a
    /// transaction of its own, up to the first [`Kind::Contract`](crate::Kind::Contract) that is not applied. A file without
    /// any step has no older programs, and takes all.
    ///
    /// Accepts a file that is newer than the code as long as nothing was taken away from it, and refuses it after that
    /// ([`SqlError::SchemaNewer`]); refuses an edited step ([`SqlError::MigrationEdited`]); both before anything is changed.
    /// Refuses to go on where a step of this program stands behind a contract that is yet to come
    /// ([`SqlError::ContractPending`]). Several processes may do so at once.
    pub async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        self.bring(migrations, Scope::Expand).await
    }

    /// Brings the file to the newest version of all. From then on programs that do not know the contracts are refused, so it is
    /// for when none of them runs any more.
    pub async fn migrate_contract(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        self.bring(migrations, Scope::All).await
    }

    /// The versions that are not applied yet, oldest first; refuses what [`Sqlite::migrate`] would refuse because of the
    /// file. Changes nothing.
    pub async fn pending(&self, migrations: &'static [Migration]) -> Result<Vec<i64>, SqlError> {
        Plan::of(migrations)?.pending(&self.applied().await?)
    }

    /// The newest version that was applied; 0 before the first.
    pub async fn schema_version(&self) -> Result<i64, SqlError> {
        Ok(self.applied().await?.last().map_or(0, |step| step.version))
    }

    async fn applied(&self) -> Result<Vec<Applied>, SqlError> {
        self.read("schema_version", |connection| scoped(applied(connection)))
            .await
    }

    async fn bring(&self, migrations: &'static [Migration], scope: Scope) -> Result<(), SqlError> {
        let plan = Plan::of(migrations)?;
        let deadline = Instant::now() + self.inner.settings.write_deadline();
        // What is refused is refused before anything is changed.
        let before = self.applied().await?;
        plan.pending(&before)?;
        if before.is_empty() || before.iter().any(|step| step.works_from.is_none()) {
            let known = plan.works_from();
            self.patiently(deadline, |connection| scoped(prepare(connection, &known)))
                .await?;
        }
        loop {
            let steps = plan.next(&self.applied().await?, scope)?;
            if steps.is_empty() {
                return Ok(());
            }
            self.patiently(deadline, |connection| scoped(apply(connection, &steps)))
                .await?;
        }
    }

    /// One transaction on the writer, tried again while another process holds the lock.
    async fn patiently<'env, F>(&self, deadline: Instant, body: F) -> Result<(), SqlError>
    where
        F: for<'c> Fn(&'c mut SqliteConnection) -> Scoped<'env, 'c, Result<(), SqlError>>,
    {
        loop {
            let outcome = self
                .inner
                .with_writer(async |connection| {
                    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
                    body(&mut tx).await?;
                    Ok(tx.commit().await?)
                })
                .await;
            match outcome {
                Err(SqlError::Busy) if Instant::now() < deadline => sleep(BUSY_PAUSE).await,
                outcome => return outcome,
            }
        }
    }
}

/// Makes what the steps stand on, and completes what an older program left unsaid.
async fn prepare(tx: &mut SqliteConnection, known: &[(i64, i64)]) -> Result<(), SqlError> {
    sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
    for (version, works_from) in known {
        sqlx::query(
            "INSERT OR IGNORE INTO sql_schema (version, works_from)
             SELECT version, ?2 FROM _sqlx_migrations WHERE version = ?1",
        )
        .bind(version)
        .bind(works_from)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn apply(tx: &mut SqliteConnection, steps: &[Step]) -> Result<(), SqlError> {
    let newest = applied(&mut *tx).await?.last().map_or(0, |step| step.version);
    for step in steps {
        if step.version <= newest {
            return Ok(()); // Another process was faster.
        }
        let done = sqlx::raw_sql(step.sql.into_sql_str()).execute(&mut *tx).await;
        done.map_err(|error| SqlError::from(error).of_migration(step.version))?;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (?, ?, TRUE, ?, 0)",
        )
        .bind(step.version)
        .bind(step.name)
        .bind(&step.checksum)
        .execute(&mut *tx)
        .await?;
        let remember = sqlx::query("INSERT INTO sql_schema (version, works_from) VALUES (?, ?)");
        remember
            .bind(step.version)
            .bind(step.works_from)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, SqlError> {
    let tables: (bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'),
                EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sql_schema')",
    )
    .fetch_one(&mut *connection)
    .await?;
    let query = match tables {
        (true, true) => {
            "SELECT version, checksum, works_from FROM _sqlx_migrations LEFT JOIN sql_schema USING (version)
             ORDER BY version"
        }
        (true, false) => "SELECT version, checksum, NULL FROM _sqlx_migrations ORDER BY version",
        (false, _) => return Ok(Vec::new()),
    };
    let rows: Vec<(i64, Vec<u8>, Option<i64>)> = sqlx::query_as(query).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Applied::from).collect())
}
