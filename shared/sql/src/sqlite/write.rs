//! Named transactions: begun at once as writers, retried while busy, bounded, operation.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, Sqlite as Engine, SqliteConnection, Transaction};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Inner;
use crate::noted::{self, Noted};
use crate::{Scoped, SqlError, Sqlite};

/// Pause before another try at a lock that another process holds; drawn anew each time so that two do not keep step.
const BUSY_PAUSE_MS: std::ops::Range<u64> = 2..20;

/// How long a rollback may take before the connection is given up instead.
const ROLLBACK_PATIENCE: Duration = Duration::from_millis(500);

impl Sqlite {
    /// Runs `body` inside a `BEGIN IMMEDIATE` transaction named `name` and commits it when `body` answers `Ok`; any
    /// error rolls back. On return of `Ok` the write is on the disk.
    ///
    /// While another process holds the lock the beginning is tried again, until the deadline; `body` runs once at most.
    /// `SqlError::Unknown` is the one error after which the write may stand.
    ///
    /// Dropping the future rolls back, or, if the commit had been asked for, leaves the outcome unknown: run writes in
    /// owned tasks.
    ///
    /// ```no_run
    /// # async fn example(sql: &sql::Sqlite, code: &str, url: &str) -> Result<bool, sql::SqlError> {
    /// sql.write("claim_alias", |tx| {
    ///     sql::scoped(async move {
    ///         let query = sqlx::query("INSERT INTO link (code, url) VALUES (?, ?) ON CONFLICT DO NOTHING");
    ///         Ok(query.bind(code).bind(url).execute(&mut *tx).await?.rows_affected() == 1)
    ///     })
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn write<'env, T, E, F>(&self, name: &'static str, body: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        let inner = &*self.inner;
        let mut operation = inner.operations.begin(name);
        let deadline = Instant::now() + inner.settings.write_deadline();
        let outcome = inner.write(body, deadline).await;
        match &outcome {
            Ok(_) => {
                inner.commits.fetch_add(1, Ordering::Relaxed);
                operation.ok();
            }
            Err(Failure::Engine(error)) => operation.failed(error.code()),
            Err(Failure::Body(_, None)) => {}
            Err(Failure::Body(_, Some(noted))) => operation.failed(noted.code),
        }
        outcome.map_err(|failure| match failure {
            Failure::Engine(error) => E::from(error),
            Failure::Body(error, _) => error,
        })
    }
}

/// Who refused: the engine, or the body by its own rules, or for what the engine told it.
enum Failure<E> {
    Engine(SqlError),
    Body(E, Option<Noted>),
}

impl<E> From<SqlError> for Failure<E> {
    fn from(error: SqlError) -> Self {
        Self::Engine(error)
    }
}

impl Inner {
    /// Lends the writer's connection outside of any transaction. Only for work at the start: it has no deadline.
    pub(crate) async fn with_writer<T, F>(&self, body: F) -> Result<T, SqlError>
    where
        F: AsyncFnOnce(&mut SqliteConnection) -> Result<T, SqlError>,
    {
        let mut writer = timeout(self.settings.write_deadline(), self.writer.lock())
            .await
            .map_err(|_| SqlError::Overloaded)?;
        let mut connection = match writer.take() {
            Some(connection) => connection,
            None => self.connect.connect().await?,
        };
        let outcome = body(&mut connection).await;
        if outcome.is_ok() {
            *writer = Some(connection);
        }
        outcome
    }

    async fn write<'env, T, E, F>(&self, body: F, deadline: Instant) -> Result<T, Failure<E>>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Scoped<'env, 'c, Result<T, E>>,
    {
        let mut writer = timeout_at(deadline, self.writer.lock())
            .await
            .map_err(|_| SqlError::Overloaded)?;
        self.check_open()?;
        // Taken out, and put back only when it is known to be at rest: what was cut off by a deadline still runs, and
        // what failed may be spoilt. The next write then opens another.
        let mut connection = match writer.take() {
            Some(connection) => connection,
            None => timeout_at(deadline, self.connect.connect())
                .await
                .map_err(|_| SqlError::Deadline)?
                .map_err(SqlError::from)?,
        };
        let settled = loop {
            let begun = timeout_at(deadline, connection.begin_with("BEGIN IMMEDIATE")).await;
            match begun.map(|begun| begun.map_err(SqlError::from)) {
                Ok(Ok(tx)) => break transaction(tx, body, deadline).await,
                Ok(Err(SqlError::Busy)) => {}
                Ok(Err(error)) => break Settled::spoilt(error),
                Err(_) => break Settled::spoilt(SqlError::Deadline),
            }
            let pause = Duration::from_millis(rand::random_range(BUSY_PAUSE_MS));
            if Instant::now() + pause >= deadline {
                break Settled {
                    reusable: true,
                    outcome: Err(SqlError::Busy.into()),
                };
            }
            sleep(pause).await;
        };
        if settled.reusable {
            *writer = Some(connection);
        }
        settled.outcome
    }
}

async fn transaction<'env, T, E, F>(
    mut tx: Transaction<'_, Engine>,
    body: F,
    deadline: Instant,
) -> Settled<T, E>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Scoped<'env, 'c, Result<T, E>>,
{
    match timeout_at(deadline, noted::run(body(&mut tx))).await {
        Ok(Ok(answer)) => commit(tx, answer, deadline).await,
        Ok(Err((refusal, noted))) => {
            let rolled_back = timeout(ROLLBACK_PATIENCE, tx.rollback()).await;
            Settled {
                reusable: matches!(rolled_back, Ok(Ok(()))),
                outcome: Err(Failure::Body(refusal, noted)),
            }
        }
        Err(_) => Settled::spoilt(SqlError::Deadline),
    }
}

async fn commit<T, E>(tx: Transaction<'_, Engine>, answer: T, deadline: Instant) -> Settled<T, E> {
    match timeout_at(deadline, tx.commit()).await {
        Ok(Ok(())) => Settled {
            reusable: true,
            outcome: Ok(answer),
        },
        // The first two are decided before anything is written to the log. A full disk cut the log's frames short: the last of them,
        // which would make them a commit, is not there whole, and whoever reads the log passes the others over. What comes after
        // that frame (syncing it, the index of the log) fails as an error of the disk, and then it may stand.
        Ok(Err(error)) => match SqlError::from(error) {
            known @ (SqlError::Busy | SqlError::Constraint { .. } | SqlError::Full) => Settled::spoilt(known),
            other => Settled::spoilt(SqlError::Unknown(other.to_string())),
        },
        Err(_) => Settled::spoilt(SqlError::Unknown("no answer within the deadline".to_owned())),
    }
}

struct Settled<T, E> {
    reusable: bool,
    outcome: Result<T, Failure<E>>,
}

impl<T, E> Settled<T, E> {
    fn spoilt(error: SqlError) -> Self {
        Self {
            reusable: false,
            outcome: Err(Failure::Engine(error)),
        }
    }
}
