//! Calls: one statement that is a transaction by itself.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Inner, Postgres};
use crate::error::{Cause, did_not_stand};
use crate::{Scoped, SqlError};

/// The longest pause before another try; drawn anew each time.
const PAUSE_MS_MAX: u64 = 20;

impl Postgres {
    /// Runs `body`, which sends exactly one statement, outside of any transaction: the server commits it before it answers. So its
    /// locks are not held while anything travels. On return of `Ok` the write is on the server's disk.
    ///
    /// `body` is run again, within `write_deadline_ms`, when the server said that other transactions were in the way. After any other
    /// end than the server's own answer the statement may stand: [`SqlError::Unknown`].
    ///
    /// ```no_run
    /// # async fn example(sql: &sql::Postgres, code: &str) -> Result<i64, sql::SqlError> {
    /// sql.call("count_visit", |conn| {
    ///     let query = sqlx::query_scalar("UPDATE link SET visits = visits + 1 WHERE code = $1 RETURNING visits");
    ///     sql::scoped(async move { query.bind(code).fetch_one(conn).await })
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn call<'env, T, F>(&self, name: &'static str, mut body: F) -> Result<T, SqlError>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, sqlx::Error>>,
    {
        let inner = &*self.inner;
        let mut operation = inner.operations.begin(name);
        let deadline = Instant::now() + inner.settings.write_deadline();
        loop {
            let (error, cause) = match inner.attempt_call(&mut body, deadline).await {
                Ok(answer) => {
                    operation.ok();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            let pause = Duration::from_millis(rand::random_range(1..=PAUSE_MS_MAX));
            match cause {
                Some(cause) if Instant::now() + pause < deadline => {
                    inner.retried(name, cause);
                    sleep(pause).await;
                }
                _ => {
                    // A constraint is what domains ask with.
                    if !matches!(error, SqlError::Constraint { .. }) {
                        operation.failed(error.code());
                    }
                    return Err(error);
                }
            }
        }
    }
}

impl Inner {
    /// One try; with the error, whether nothing stands and another try may succeed.
    async fn attempt_call<'env, T, F>(
        &self,
        body: &mut F,
        deadline: Instant,
    ) -> Result<T, (SqlError, Option<Cause>)>
    where
        F: for<'c> FnMut(&'c mut PgConnection) -> Scoped<'env, 'c, Result<T, sqlx::Error>>,
    {
        // Dropped on each early return, which closes it.
        let mut lent = self.writers.lend(deadline).await.map_err(|error| (error, None))?;
        match timeout_at(deadline, body(&mut lent)).await {
            Ok(Ok(answer)) => {
                lent.give_back();
                Ok(answer)
            }
            Ok(Err(error)) if did_not_stand(&error) => {
                let cause = Cause::of(&error);
                lent.give_back();
                Err((SqlError::from(error), cause))
            }
            Ok(Err(error)) => {
                if Cause::of(&error) == Some(Cause::ConnectionLost) {
                    self.readers.forget_rested();
                    self.writers.forget_rested();
                }
                Err((SqlError::Unknown(SqlError::from(error).to_string()), None))
            }
            Err(_) => Err((
                SqlError::Unknown("no answer within the deadline".to_owned()),
                None,
            )),
        }
    }
}
