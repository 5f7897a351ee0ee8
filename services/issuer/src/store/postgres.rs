//! The store on PostgreSQL, for as many processes as share it.
//!
//! Where a rule counts or compares rows that another process may be adding, a row of `guard` (or the row of the tenant or
//! client that they belong to) is locked first; the statements behind it, each with a fresh snapshot, then see what the
//! former holder committed.

mod registry;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use sql::{Migration, PgConnection, Postgres};

use super::rows::{self, GrantRow, KeyRow};
use super::statements::TenantStatements;
use super::{CodeHash, Grant, Identity, KeyRecord, Store, StoreError, statements};

const MIGRATIONS: &[Migration] = &[
    Migration::expand(
        1,
        "issuer",
        include_str!("../../migrations/postgres/0001_issuer.sql"),
    ),
    Migration::expand(
        2,
        "clients",
        include_str!("../../migrations/postgres/0002_clients.sql"),
    ),
    Migration::expand(
        3,
        "tenant_name",
        include_str!("../../migrations/postgres/0003_tenant_name.sql"),
    ),
    Migration::contract(
        4,
        "without_display_name",
        include_str!("../../migrations/postgres/0004_without_display_name.sql"),
    ),
];

/// [`Store`] on one schema of a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresStore {
    sql: Postgres,
    /// The newest version of the schema that this process has seen.
    schema: Arc<AtomicI64>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore")
            .field("database", &self.sql.name())
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Brings the schema to this program's schema, as far as older programs can follow, and serves it.
    pub async fn new(sql: Postgres) -> Result<Self, StoreError> {
        sql.migrate(MIGRATIONS).await?;
        let schema = Arc::new(AtomicI64::new(sql.schema_version().await?));
        Ok(Self { sql, schema })
    }

    /// Takes away what only older programs need; none of them may run any more. Stores of this version that are open go on.
    pub async fn contract(sql: &Postgres) -> Result<(), StoreError> {
        Ok(sql.migrate_contract(MIGRATIONS).await?)
    }

    /// Runs a call, and once more where a statement was refused because somebody contracted the schema since.
    async fn on_tenants<T, F>(&self, run: impl Fn(&'static TenantStatements) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let schema = self.schema.load(Ordering::Relaxed);
        match run(statements::tenant(schema)).await {
            Err(error) if error.is_defect() => {
                let now = self.sql.schema_version().await?;
                self.schema.store(now, Ordering::Relaxed);
                if now == schema {
                    return Err(error);
                }
                run(statements::tenant(now)).await
            }
            outcome => outcome,
        }
    }
}

/// Waits until no other transaction holds the guard of that name, and holds it until this one's end.
async fn hold(tx: &mut PgConnection, name: &'static str) -> Result<(), StoreError> {
    let held: Option<String> = sqlx::query_scalar("SELECT name FROM guard WHERE name = $1 FOR UPDATE")
        .bind(name)
        .fetch_optional(tx)
        .await?;
    held.map(drop)
        .ok_or(StoreError::Damaged("no guard row of a rule"))
}

fn with_text_nonce(row: GrantRow<Vec<u8>>) -> Result<GrantRow<String>, StoreError> {
    let (client_id, redirect_uri, challenge, tenant, user, scope, nonce, expires_ms) = row;
    let nonce = nonce
        .map(String::from_utf8)
        .transpose()
        .map_err(|_| StoreError::Damaged("a nonce that is no text"))?;
    Ok((
        client_id,
        redirect_uri,
        challenge,
        tenant,
        user,
        scope,
        nonce,
        expires_ms,
    ))
}

#[async_trait]
impl Store for PostgresStore {
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows: Vec<KeyRow> = self
            .sql
            .read("list_signing_keys", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(statements::LIST_KEYS);
                    Ok::<_, StoreError>(query.fetch_all(conn).await?)
                })
            })
            .await?;
        rows.into_iter().map(rows::key).collect()
    }

    async fn append_key(&self, after: Option<&str>, key: &KeyRecord) -> Result<bool, StoreError> {
        self.sql
            .write("append_signing_key", |tx| {
                sql::scoped(async move {
                    hold(tx, "signing_key").await?;
                    let newest: Option<(String, i64)> = sqlx::query_as(statements::NEWEST_KEY)
                        .fetch_optional(&mut *tx)
                        .await?;
                    let (newest, newest_from_ms) =
                        newest.map_or((None, -1), |(kid, from_ms)| (Some(kid), from_ms));
                    let use_from_ms = sql::int(key.use_from_ms)?;
                    if newest.as_deref() != after || use_from_ms <= newest_from_ms {
                        return Ok(false);
                    }
                    sqlx::query(statements::INSERT_KEY)
                        .bind(&key.kid)
                        .bind(&key.pkcs8)
                        .bind(use_from_ms)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(true)
                })
            })
            .await
    }

    async fn remove_key(&self, kid: &str) -> Result<(), StoreError> {
        self.sql
            .write("remove_signing_key", |tx| {
                sql::scoped(async move {
                    sqlx::query(statements::REMOVE_KEY)
                        .bind(kid)
                        .execute(&mut *tx)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn put_code(&self, code: &CodeHash, grant: &Grant, codes_max: u32) -> Result<bool, StoreError> {
        self.sql
            .write("put_authorization_code", |tx| {
                sql::scoped(async move {
                    hold(tx, "authorization_code").await?;
                    let done = sqlx::query(statements::PUT_CODE)
                        .bind(code.as_slice())
                        .bind(&grant.client_id)
                        .bind(&grant.redirect_uri)
                        .bind(&grant.challenge)
                        .bind(grant.tenant.as_str())
                        .bind(grant.user.as_str())
                        .bind(grant.scopes.to_string())
                        .bind(grant.nonce.as_deref().map(str::as_bytes))
                        .bind(sql::int(grant.expires_ms)?)
                        .bind(i64::from(codes_max))
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(done.rows_affected() == 1)
                })
            })
            .await
    }

    async fn take_code(&self, code: &CodeHash) -> Result<Option<Grant>, StoreError> {
        let row: Option<GrantRow<Vec<u8>>> = self
            .sql
            .write("take_authorization_code", |tx| {
                sql::scoped(async move {
                    let query = sqlx::query_as(statements::TAKE_CODE).bind(code.as_slice());
                    Ok::<_, StoreError>(query.fetch_optional(&mut *tx).await?)
                })
            })
            .await?;
        row.map(|row| rows::grant(with_text_nonce(row)?)).transpose()
    }

    async fn forget_codes(&self, now_ms: u64) -> Result<u64, StoreError> {
        self.sql
            .write("forget_authorization_codes", |tx| {
                sql::scoped(async move {
                    let done = sqlx::query(statements::FORGET_CODES)
                        .bind(sql::int(now_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(done.rows_affected())
                })
            })
            .await
    }

    async fn identity(&self) -> Result<Option<Identity>, StoreError> {
        let rows: Vec<(String, String)> = self
            .sql
            .read("read_issuer", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(statements::READ_ISSUER);
                    Ok::<_, StoreError>(query.fetch_all(conn).await?)
                })
            })
            .await?;
        Ok(rows::identity(&rows))
    }

    async fn set_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        self.sql
            .write("write_issuer", |tx| {
                sql::scoped(async move {
                    sqlx::query(statements::WRITE_ISSUER)
                        .bind(&identity.issuer)
                        .bind(&identity.audience)
                        .execute(&mut *tx)
                        .await?;
                    Ok(())
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
