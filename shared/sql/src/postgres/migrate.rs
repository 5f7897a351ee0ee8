//! Schema versions in PostgreSQL: each step in a transaction of its own, one process at a time.

use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr};
use tokio::time::Instant;

use super::{Postgres, probe};
use crate::migrate::{Applied, Plan, Scope, Step};
use crate::{Migration, SqlError, scoped};

/// Made in the schema's first transaction. The first table is the one that sqlx's own migrator keeps.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _sqlx_migrations (
        version BIGINT PRIMARY KEY,
        description TEXT NOT NULL,
        installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
        success BOOLEAN NOT NULL,
        checksum BYTEA NOT NULL,
        execution_time BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS sql_schema (version BIGINT PRIMARY KEY, works_from BIGINT NOT NULL);
";

impl Postgres {
    /// As [`Sqlite::migrate`](crate::Sqlite::migrate), in the URL's schema, which is made if it is missing.
    pub async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        self.bring(migrations, Scope::Expand).await
    }

    /// As [`Sqlite::migrate_contract`](crate::Sqlite::migrate_contract).
    pub async fn migrate_contract(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        self.bring(migrations, Scope::All).await
    }

    /// As [`Sqlite::pending`](crate::Sqlite::pending).
    pub async fn pending(&self, migrations: &'static [Migration]) -> Result<Vec<i64>, SqlError> {
        Plan::of(migrations)?.pending(&self.applied().await?)
    }

    /// As [`Sqlite::schema_version`](crate::Sqlite::schema_version).
    pub async fn schema_version(&self) -> Result<i64, SqlError> {
        Ok(self.applied().await?.last().map_or(0, |step| step.version))
    }

    async fn applied(&self) -> Result<Vec<Applied>, SqlError> {
        self.read("schema_version", |connection| scoped(applied(connection)))
            .await
    }

    async fn bring(&self, migrations: &'static [Migration], scope: Scope) -> Result<(), SqlError> {
        let plan = Plan::of(migrations)?;
        // What is refused is refused before anything is changed.
        let before = self.applied().await?;
        plan.pending(&before)?;
        if before.is_empty() || before.iter().any(|step| step.works_from.is_none()) {
            self.prepare(plan).await?;
        }
        loop {
            let steps = plan.next(&self.applied().await?, scope)?;
            if steps.is_empty() {
                return Ok(());
            }
            self.apply(&steps).await?;
        }
    }

    /// Makes what the steps and the probe stand on, and completes what an older program left unsaid.
    async fn prepare(&self, plan: Plan) -> Result<(), SqlError> {
        let schema = &self.inner.schema;
        let known = &plan.works_from();
        let deadline = Instant::now() + self.inner.settings.migrate_deadline();
        self.write_until(deadline, "prepare_schema", |tx| {
            scoped(async move {
                self.alone(tx).await?;
                let made: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
                    .bind(schema)
                    .fetch_one(&mut *tx)
                    .await?;
                // Asked for a schema that is there, the server still wants the right to make one.
                if !made {
                    // The name is plain: the URL allows no other.
                    let create = format!("CREATE SCHEMA {schema}");
                    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *tx).await?;
                }
                sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
                sqlx::raw_sql(probe::PREPARE).execute(&mut *tx).await?;
                for (version, works_from) in known {
                    sqlx::query(
                        "INSERT INTO sql_schema (version, works_from)
                         SELECT version, $2 FROM _sqlx_migrations WHERE version = $1 ON CONFLICT DO NOTHING",
                    )
                    .bind(version)
                    .bind(works_from)
                    .execute(&mut *tx)
                    .await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn apply(&self, steps: &[Step]) -> Result<(), SqlError> {
        let deadline = Instant::now() + self.inner.settings.migrate_deadline();
        self.write_until(deadline, "apply_migration", |tx| {
            scoped(async move {
                self.alone(tx).await?;
                let newest = applied(&mut *tx).await?.last().map_or(0, |step| step.version);
                for step in steps {
                    if step.version <= newest {
                        return Ok(()); // Another process was faster.
                    }
                    apply(&mut *tx, step).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Keeps every other process that migrates the same schema waiting until this transaction ends, and lets a step take
    /// longer than a write may.
    async fn alone(&self, tx: &mut PgConnection) -> Result<(), SqlError> {
        let limit = self.inner.settings.migrate_deadline_ms.max(1).to_string();
        sqlx::query("SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)")
            .bind(limit)
            .execute(&mut *tx)
            .await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('orrery schema ' || $1, 0))")
            .bind(&self.inner.schema)
            .execute(tx)
            .await?;
        Ok(())
    }
}

async fn apply(tx: &mut PgConnection, step: &Step) -> Result<(), SqlError> {
    let done = sqlx::raw_sql(step.sql.into_sql_str()).execute(&mut *tx).await;
    done.map_err(|error| SqlError::from(error).of_migration(step.version))?;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ($1, $2, TRUE, $3, 0)",
    )
    .bind(step.version)
    .bind(step.name)
    .bind(&step.checksum)
    .execute(&mut *tx)
    .await?;
    let remember = sqlx::query("INSERT INTO sql_schema (version, works_from) VALUES ($1, $2)");
    remember
        .bind(step.version)
        .bind(step.works_from)
        .execute(tx)
        .await?;
    Ok(())
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, SqlError> {
    let tables: (bool, bool) = sqlx::query_as(
        "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, to_regclass('sql_schema') IS NOT NULL",
    )
    .fetch_one(&mut *connection)
    .await?;
    let query = match tables {
        (true, true) => {
            "SELECT version, checksum, works_from FROM _sqlx_migrations LEFT JOIN sql_schema USING (version)
             ORDER BY version"
        }
        (true, false) => {
            "SELECT version, checksum, NULL::BIGINT AS works_from FROM _sqlx_migrations ORDER BY version"
        }
        (false, _) => return Ok(Vec::new()),
    };
    let rows: Vec<(i64, Vec<u8>, Option<i64>)> = sqlx::query_as(query).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Applied::from).collect())
}
