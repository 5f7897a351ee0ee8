//! Reads: bounded, measured, tried again on another connection when theirs is lost.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout_at};

use super::pool::Lent;
use super::{Inner, Postgres};
use crate::noted::{self, Noted};
use crate::{Scoped, SqlError};

/// Pause before a read is run again; drawn anew each time.
const PAUSE_MS: std::ops::Range<u64> = 5..30;

impl Postgres {
    /// Runs `body` on a connection that can only read, measured under `name`. Each statement sees what was committed
    /// before it began; begin a transaction in `body` where several must see the same.
    ///
    /// `body` is run again when the connection is lost under it, so it takes nothing out of its surroundings that it needs twice:
    /// clone inside.
    ///
    /// ```no_run
    /// # async fn example(sql: &sql::Postgres, code: &str) -> Result<Option<String>, sql::SqlError> {
    /// let query = "SELECT url FROM link WHERE code = $1";
    /// sql.read("find_link", |conn| {
    ///     sql::scoped(async move { Ok(sqlx::query_scalar(query).bind(code).fetch_optional(conn).await?) })
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn read<'env, T, E, F>(&self, name: &'static str, mut body: F) -> Result<T, E>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        let inner = &*self.inner;
        let mut operation = inner.operations.begin(name);
        let deadline = Instant::now() + inner.settings.read_deadline();
        loop {
            let mut lent = inner.readers.lend(deadline).await.inspect_err(|error| {
                operation.failed(error.code());
            })?;
            let Ok(outcome) = timeout_at(deadline, noted::run(body(&mut lent))).await else {
                operation.failed(SqlError::Deadline.code());
                return Err(SqlError::Deadline.into());
            };
            match outcome {
                Ok(answer) => {
                    lent.give_back();
                    operation.ok();
                    return Ok(answer);
                }
                Err((error, noted)) => {
                    if inner.is_run_again(name, lent, noted, deadline).await {
                        continue;
                    }
                    if let Some(noted) = noted {
                        operation.failed(noted.code);
                    }
                    return Err(error);
                }
            }
        }
    }
}

impl Inner {
    async fn is_run_again(
        &self,
        name: &'static str,
        lent: Lent,
        noted: Option<Noted>,
        deadline: Instant,
    ) -> bool {
        let Some(noted) = noted else {
            lent.give_back();
            return false;
        };
        drop(lent);
        let pause = Duration::from_millis(rand::random_range(PAUSE_MS));
        match noted.cause {
            Some(cause) if Instant::now() + pause < deadline => {
                self.retried(name, cause);
                sleep(pause).await;
                true
            }
            _ => false,
        }
    }
}
