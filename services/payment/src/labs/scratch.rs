//! A schema of a lab's own in a PostgreSQL.

use std::str::FromStr as _;

use lab::{Bench, LabError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

/// A schema that is there for one run. It is dropped by [`Scratch::end`]; what a run that was cut off left, `lab_` and a number, harms nobody.
pub(super) struct Scratch {
    options: PgConnectOptions,
    schema: String,
}

impl Scratch {
    /// Makes it, with these tables.
    pub(super) async fn begin(bench: &Bench, tables: &'static str) -> Result<Self, LabError> {
        let url = bench.postgres.as_deref().ok_or_else(|| {
            LabError::while_("looking for a PostgreSQL")(
                "name one with `--postgres URL`, or start one with `cargo xtask engines up`",
            )
        })?;
        let failed = |error: sqlx::Error| LabError::while_("preparing PostgreSQL")(error);
        let schema = format!("lab_{:016x}", rand::random::<u64>());
        let options = PgConnectOptions::from_str(url)
            .map_err(failed)?
            .options([("search_path", schema.as_str())])
            .disable_statement_logging();
        let scratch = Self { options, schema };
        let mut connection = scratch.connect().await?;
        let made = format!("CREATE SCHEMA {}", scratch.schema);
        sqlx::raw_sql(AssertSqlSafe(made))
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        sqlx::raw_sql(tables)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        Ok(scratch)
    }

    /// A connection that finds the lab's tables first.
    pub(super) async fn connect(&self) -> Result<PgConnection, LabError> {
        self.options
            .connect()
            .await
            .map_err(LabError::while_("connecting to PostgreSQL"))
    }

    /// Drops it with all that is in it.
    pub(super) async fn end(self) -> Result<(), LabError> {
        let mut connection = self.connect().await?;
        let dropped = format!("DROP SCHEMA {} CASCADE", self.schema);
        sqlx::raw_sql(AssertSqlSafe(dropped))
            .execute(&mut connection)
            .await
            .map(drop)
            .map_err(LabError::while_("cleaning up PostgreSQL"))
    }
}

/// Whether the engine refused a transaction because others were in its way, so that it may be tried again.
pub(super) fn in_the_way(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    // serialization_failure, deadlock_detected
    matches!(code.as_deref(), Some("40001" | "40P01"))
}
