//! Named transactions: retried as a whole while nothing stands, bounded, measured.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, PgTransaction};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Inner, Postgres};
use crate::error::{Cause, did_not_commit};
use crate::noted;
use crate::{Scoped, SqlError};

/// The longest pause before the second try; it doubles with each, up to the one below, and is drawn anew each time.
const PAUSE_MS: u64 = 10;
const PAUSE_MS_MAX: u64 = 200;

/// How long a rollback may take before the connection is given up instead.
const ROLLBACK_PATIENCE: Duration = Duration::from_millis(500);

const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

impl Postgres {
    /// Runs `body` inside a transaction named `name` and commits it when `body` answers `Ok`; any error rolls back. On
    /// return of `Ok` the write is on the server's disk. READ COMMITTED: each statement sees what was committed before it
    /// began, so what is decided on is locked (`FOR UPDATE`) or left to a constraint.
    ///
    /// `body` is run again, as a whole and within `write_deadline_ms`, when other transactions were in its way or the
    /// connection was lost before the commit was asked for. So it takes nothing out of its surroundings that it needs twice:
    /// clone inside. `SqlError::Unknown` is the one error after which the write may stand.
    ///
    /// Dropping the future rolls back, or, if the commit had been asked for, leaves the outcome unknown: run writes in
    /// owned tasks.
    ///
    /// ```no_run
    /// # async fn example(sql: &sql::Postgres, code: &str, url: &str) -> Result<bool, sql::SqlError> {
    /// sql.write("claim_alias", |tx| {
    ///     sql::scoped(async move {
    ///         let query = sqlx::query("INSERT INTO link (code, url) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    ///         Ok(query.bind(code).bind(url).execute(&mut *tx).await?.rows_affected() == 1)
    ///     })
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn write<'env, T, E, F>(&self, name: &'static str, body: F) -> Result<T, E>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        let deadline = Instant::now() + self.inner.settings.write_deadline();
        self.inner.write(READ_COMMITTED, name, body, deadline).await
    }

    /// As [`Postgres::write`], as if no other transaction ran at the same time. Many of them on the same rows fail and are
    /// run again many times; a lock is cheaper there.
    pub async fn write_serializable<'env, T, E, F>(&self, name: &'static str, body: F) -> Result<T, E>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        let deadline = Instant::now() + self.inner.settings.write_deadline();
        self.inner.write(SERIALIZABLE, name, body, deadline).await
    }

    pub(super) async fn write_until<'env, T, E, F>(
        &self,
        deadline: Instant,
        name: &'static str,
        body: F,
    ) -> Result<T, E>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        self.inner.write(READ_COMMITTED, name, body, deadline).await
    }
}

/// Why a try ended: the engine's error or the body's own, and what the engine had to do with it.
struct Failure<E> {
    error: E,
    code: Option<&'static str>,
    /// Nothing stands, and another try may succeed.
    cause: Option<Cause>,
}

impl<E: From<SqlError>> From<SqlError> for Failure<E> {
    fn from(error: SqlError) -> Self {
        let code = Some(error.code());
        Self {
            error: error.into(),
            code,
            cause: None,
        }
    }
}

impl<E: From<SqlError>> Failure<E> {
    /// Before the commit was asked for.
    fn early(error: sqlx::Error) -> Self {
        let cause = Cause::of(&error);
        Self {
            cause,
            ..Self::from(SqlError::from(error))
        }
    }
}

impl Inner {
    async fn write<'env, T, E, F>(
        &self,
        begin: &'static str,
        name: &'static str,
        mut body: F,
        deadline: Instant,
    ) -> Result<T, E>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        let mut operation = self.operations.begin(name);
        let mut pause_ms_max = PAUSE_MS;
        loop {
            let Failure { error, code, cause } = match self.attempt(begin, &mut body, deadline).await {
                Ok(answer) => {
                    operation.ok();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            let pause = Duration::from_millis(rand::random_range(1..=pause_ms_max));
            match cause {
                Some(cause) if Instant::now() + pause < deadline => {
                    drop(error);
                    self.retried(name, cause);
                    sleep(pause).await;
                    pause_ms_max = (pause_ms_max * 2).min(PAUSE_MS_MAX);
                }
                _ => {
                    if let Some(code) = code {
                        operation.failed(code);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn attempt<'env, T, E, F>(
        &self,
        begin: &'static str,
        body: &mut F,
        deadline: Instant,
    ) -> Result<T, Failure<E>>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        // Dropped on each early return: what was cut off may still run, and its socket's end makes the server roll back.
        let mut lent = self.writers.lend(deadline).await?;
        let mut tx = timeout_at(deadline, lent.begin_with(begin))
            .await
            .map_err(|_| SqlError::Deadline)?
            .map_err(Failure::early)?;
        let outcome = timeout_at(deadline, noted::run(body(&mut tx)))
            .await
            .map_err(|_| SqlError::Deadline)?;
        match outcome {
            Ok(answer) => {
                commit(tx, deadline).await?;
                lent.give_back();
                Ok(answer)
            }
            Err((error, noted)) => {
                let cause = noted.and_then(|noted| noted.cause);
                if cause != Some(Cause::ConnectionLost)
                    && matches!(timeout(ROLLBACK_PATIENCE, tx.rollback()).await, Ok(Ok(())))
                {
                    lent.give_back();
                }
                Err(Failure {
                    error,
                    code: noted.map(|noted| noted.code),
                    cause,
                })
            }
        }
    }
}

async fn commit<E: From<SqlError>>(mut tx: PgTransaction<'_>, deadline: Instant) -> Result<(), Failure<E>> {
    // Asked to commit a transaction in which a statement has failed, PostgreSQL rolls back and calls that a success. A body
    // that went on after such a statement would be told that its write stands.
    timeout_at(deadline, tx.execute("SELECT 1"))
        .await
        .map_err(|_| SqlError::Deadline)?
        .map_err(Failure::early)?;
    match timeout_at(deadline, tx.commit()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if did_not_commit(&error) => Err(Failure::early(error)),
        Ok(Err(error)) => Err(SqlError::Unknown(SqlError::from(error).to_string()).into()),
        Err(_) => Err(SqlError::Unknown("no answer within the deadline".to_owned()).into()),
    }
}
