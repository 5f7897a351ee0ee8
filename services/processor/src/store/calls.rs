//! The port on both engines. They differ in one word: PostgreSQL locks the charge that it is about to change, SQLite has one writer.

use async_trait::async_trait;
use sql::{Migration, Postgres, Sqlite};

use super::rows::{self, ChargeRow, MovementRow, WebhookRow};
use super::{After, Ages, Answer, Attempt, Day, KeyHash, Performed, Store, StoreError, Webhook, statements};
use crate::charge::{Charge, Movement};
use crate::event;

/// What a transaction answers that found the key taken and its record gone again: the next attempt finds it free.
fn raced() -> StoreError {
    StoreError::Unavailable {
        code: "raced",
        detail: "the key expired meanwhile".to_owned(),
        retryable: true,
    }
}

fn small(number: u32) -> i64 {
    i64::from(number)
}

macro_rules! store_on {
    ($(#[$doc:meta])* $store:ident, $engine:ty, $connection:ty, $module:ident, $lock:expr, $migration:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $store {
            sql: $engine,
        }

        impl std::fmt::Debug for $store {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($store))
                    .field("database", &self.sql.name())
                    .finish_non_exhaustive()
            }
        }

        impl $store {
            const MIGRATIONS: &[Migration] = &[Migration::expand(1, "processor", include_str!($migration))];

            /// Brings the database to this program's schema, as far as older programs can follow, and serves it.
            pub async fn new(sql: $engine) -> Result<Self, StoreError> {
                sql.migrate(Self::MIGRATIONS).await?;
                Ok(Self { sql })
            }

            /// Takes away what only older programs need; none of them may run any more.
            pub async fn contract(sql: &$engine) -> Result<(), StoreError> {
                Ok(sql.migrate_contract(Self::MIGRATIONS).await?)
            }
        }

        mod $module {
            use super::*;

            /// Decides and keeps what it came to: charge, movement, webhook.
            pub(super) async fn change(tx: &mut $connection, attempt: &Attempt) -> Result<Answer, StoreError> {
                let standing = match attempt.change.charge_id() {
                    None => None,
                    Some(id) => {
                        let rows: Vec<ChargeRow> = sqlx::query_as($lock).bind(id).fetch_all(&mut *tx).await?;
                        rows.into_iter().next().map(rows::charge).transpose()?
                    }
                };
                let decided = attempt.change.decide(standing, &attempt.movement_id, attempt.at_ms);
                let changed = match decided {
                    Ok(changed) => changed,
                    Err(refusal) => return Ok(Answer::Refused(refusal)),
                };
                put_charge(tx, &changed.charge).await?;
                if let Some(movement) = &changed.movement {
                    put_movement(tx, movement).await?;
                }
                if let (Some(kind), Some(tell)) = (changed.event, &attempt.tell) {
                    sqlx::query(statements::PUT_WEBHOOK)
                        .bind(&tell.id)
                        .bind(event::body(kind, &changed.charge))
                        .bind(small(tell.copies))
                        .bind(sql::int(attempt.at_ms)?)
                        .bind(sql::int(tell.due_at_ms)?)
                        .execute(&mut *tx)
                        .await?;
                }
                Ok(Answer::Done(changed.charge))
            }

            async fn put_charge(tx: &mut $connection, charge: &Charge) -> Result<(), StoreError> {
                sqlx::query(statements::PUT_CHARGE)
                    .bind(&charge.id)
                    .bind(&charge.reference)
                    .bind(sql::int(charge.amount)?)
                    .bind(&charge.currency)
                    .bind(&charge.method)
                    .bind(charge.status.name())
                    .bind(sql::int(charge.captured)?)
                    .bind(sql::int(charge.refunded)?)
                    .bind(charge.decline_code.as_deref())
                    .bind(sql::int(charge.created_at_ms)?)
                    .bind(sql::int(charge.updated_at_ms)?)
                    .execute(&mut *tx)
                    .await?;
                Ok(())
            }

            async fn put_movement(tx: &mut $connection, movement: &Movement) -> Result<(), StoreError> {
                sqlx::query(statements::PUT_MOVEMENT)
                    .bind(&movement.id)
                    .bind(&movement.charge_id)
                    .bind(&movement.reference)
                    .bind(movement.kind.name())
                    .bind(sql::int(movement.amount)?)
                    .bind(&movement.currency)
                    .bind(sql::int(movement.at_ms)?)
                    .execute(&mut *tx)
                    .await?;
                Ok(())
            }
        }

        #[async_trait]
        impl Store for $store {
            async fn perform(&self, attempt: &Attempt) -> Result<Performed, StoreError> {
                self.sql
                    .write("perform_change", |tx| {
                        sql::scoped(async move {
                            let key = attempt.key.as_slice();
                            sqlx::query(statements::FREE_KEY)
                                .bind(key)
                                .bind(sql::int(attempt.at_ms)?)
                                .execute(&mut *tx)
                                .await?;
                            let claimed = sqlx::query(statements::CLAIM_KEY)
                                .bind(key)
                                .bind(attempt.fingerprint.as_slice())
                                .bind(sql::int(attempt.expires_at_ms)?)
                                .execute(&mut *tx)
                                .await?;
                            if claimed.rows_affected() == 0 {
                                let known: Vec<(Vec<u8>, String)> = sqlx::query_as(statements::FIND_KEY)
                                    .bind(key)
                                    .fetch_all(&mut *tx)
                                    .await?;
                                let (fingerprint, text) = known.into_iter().next().ok_or_else(raced)?;
                                if fingerprint != attempt.fingerprint {
                                    return Ok(Performed::Mismatch);
                                }
                                return Ok(Performed::Replayed(rows::answer(&text)?));
                            }
                            let answer = $module::change(tx, attempt).await?;
                            let text = serde_json::to_string(&answer)
                                .map_err(|_| StoreError::Damaged("an answer that cannot be written"))?;
                            sqlx::query(statements::ANSWER_KEY)
                                .bind(key)
                                .bind(text)
                                .execute(&mut *tx)
                                .await?;
                            Ok::<_, StoreError>(Performed::Fresh(answer))
                        })
                    })
                    .await
            }

            async fn recall(&self, key: &KeyHash, now_ms: u64) -> Result<Option<Answer>, StoreError> {
                let now_ms = sql::int(now_ms)?;
                let known: Vec<(Vec<u8>, String)> = self
                    .sql
                    .read("recall_key", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::RECALL_KEY);
                            Ok::<_, StoreError>(query.bind(key.as_slice()).bind(now_ms).fetch_all(conn).await?)
                        })
                    })
                    .await?;
                known.first().map(|(_, text)| rows::answer(text)).transpose()
            }

            async fn charge(&self, id: &str) -> Result<Option<Charge>, StoreError> {
                let found: Vec<ChargeRow> = self
                    .sql
                    .read("find_charge", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::FIND_CHARGE);
                            Ok::<_, StoreError>(query.bind(id).fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().next().map(rows::charge).transpose()
            }

            async fn refunds(&self, charge_id: &str, limit: u32) -> Result<Vec<Movement>, StoreError> {
                let found: Vec<MovementRow> = self
                    .sql
                    .read("list_refunds", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::REFUNDS).bind(charge_id).bind(small(limit));
                            Ok::<_, StoreError>(query.fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().map(rows::movement).collect()
            }

            async fn by_reference(&self, reference: &str, limit: u32) -> Result<Vec<Charge>, StoreError> {
                let found: Vec<ChargeRow> = self
                    .sql
                    .read("find_reference", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::CHARGES_OF_REFERENCE);
                            Ok::<_, StoreError>(query.bind(reference).bind(small(limit)).fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().map(rows::charge).collect()
            }

            async fn settled(
                &self,
                from_ms: u64,
                to_ms: u64,
                after: Option<&After>,
                limit: u32,
            ) -> Result<Vec<Movement>, StoreError> {
                let (from_ms, to_ms) = (sql::int(from_ms)?, sql::int(to_ms)?);
                let (after_ms, after_id) = match after {
                    Some((at_ms, id)) => (sql::int(*at_ms)?, id.as_str()),
                    None => (-1, ""),
                };
                let found: Vec<MovementRow> = self
                    .sql
                    .read("list_settled", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::SETTLED)
                                .bind(from_ms)
                                .bind(to_ms)
                                .bind(after_ms)
                                .bind(after_id)
                                .bind(small(limit));
                            Ok::<_, StoreError>(query.fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().map(rows::movement).collect()
            }

            async fn days(&self, to_ms: u64, limit: u32) -> Result<Vec<Day>, StoreError> {
                let to_ms = sql::int(to_ms)?;
                let found: Vec<(i64, i64)> = self
                    .sql
                    .read("list_days", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::DAYS).bind(to_ms).bind(small(limit));
                            Ok::<_, StoreError>(query.fetch_all(conn).await?)
                        })
                    })
                    .await?;
                let day = |(number, movements)| {
                    Ok(Day {
                        number: sql::uint(number)?,
                        movements: sql::uint(movements)?,
                    })
                };
                found.into_iter().map(day).collect()
            }

            async fn due_webhooks(&self, now_ms: u64, limit: u32) -> Result<Vec<Webhook>, StoreError> {
                let now_ms = sql::int(now_ms)?;
                let found: Vec<WebhookRow> = self
                    .sql
                    .read("list_due_webhooks", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::DUE_WEBHOOKS);
                            Ok::<_, StoreError>(query.bind(now_ms).bind(small(limit)).fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().map(rows::webhook).collect()
            }

            async fn take_webhook(&self, id: &str, attempts: u32, next_at_ms: u64) -> Result<bool, StoreError> {
                let next_at_ms = sql::int(next_at_ms)?;
                self.sql
                    .write("take_webhook", |tx| {
                        sql::scoped(async move {
                            let query = sqlx::query(statements::TAKE_WEBHOOK);
                            let taken = query.bind(id).bind(small(attempts)).bind(next_at_ms);
                            Ok::<_, StoreError>(taken.execute(&mut *tx).await?.rows_affected() == 1)
                        })
                    })
                    .await
            }

            async fn delivered(&self, id: &str) -> Result<(), StoreError> {
                self.sql
                    .write("delete_webhook", |tx| {
                        sql::scoped(async move {
                            let query = sqlx::query(statements::DELETE_WEBHOOK);
                            query.bind(id).execute(&mut *tx).await?;
                            Ok::<_, StoreError>(())
                        })
                    })
                    .await
            }

            async fn pending_webhooks(&self) -> Result<u64, StoreError> {
                let count: i64 = self
                    .sql
                    .read("count_webhooks", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_scalar(statements::PENDING_WEBHOOKS);
                            Ok::<_, StoreError>(query.fetch_one(conn).await?)
                        })
                    })
                    .await?;
                Ok(sql::uint(count)?)
            }

            async fn forget(&self, ages: &Ages) -> Result<u64, StoreError> {
                let webhooks_ms = sql::int(ages.webhooks_ms)?;
                let older = [
                    (statements::FORGET_KEYS, sql::int(ages.keys_ms)?),
                    (statements::FORGET_MOVEMENTS, sql::int(ages.charges_ms)?),
                    (statements::FORGET_CHARGES, sql::int(ages.charges_ms)?),
                ];
                self.sql
                    .write("forget_old", |tx| {
                        sql::scoped(async move {
                            for (statement, before_ms) in older {
                                sqlx::query(statement).bind(before_ms).execute(&mut *tx).await?;
                            }
                            let query = sqlx::query(statements::FORGET_WEBHOOKS).bind(webhooks_ms);
                            Ok::<_, StoreError>(query.execute(&mut *tx).await?.rows_affected())
                        })
                    })
                    .await
            }

            async fn probe(&self) -> Result<(), StoreError> {
                Ok(self.sql.probe().await?)
            }

            async fn close(&self) {
                self.sql.close().await;
            }
        }
    };
}

store_on!(
    /// [`Store`] on one SQLite file.
    SqliteStore,
    Sqlite,
    sql::SqliteConnection,
    sqlite,
    statements::FIND_CHARGE,
    "../../migrations/sqlite/0001_processor.sql"
);

store_on!(
    /// [`Store`] on one schema of a PostgreSQL database, for as many processes as share it.
    PostgresStore,
    Postgres,
    sql::PgConnection,
    postgres,
    statements::LOCK_CHARGE,
    "../../migrations/postgres/0001_processor.sql"
);
