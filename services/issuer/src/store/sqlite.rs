//! The store on SQLite: one file, one writer.

mod registry;

use async_trait::async_trait;
use sql::{Migration, Sqlite};

use super::rows::{self, GrantRow, KeyRow};
use super::statements::TenantStatements;
use super::{CodeHash, Grant, Identity, KeyRecord, Store, StoreError, statements};

const MIGRATIONS: &[Migration] = &[
    Migration::expand(
        1,
        "issuer",
        include_str!("../../migrations/sqlite/0001_issuer.sql"),
    ),
    Migration::expand(
        2,
        "clients",
        include_str!("../../migrations/sqlite/0002_clients.sql"),
    ),
    Migration::expand(
        3,
        "tenant_name",
        include_str!("../../migrations/sqlite/0003_tenant_name.sql"),
    ),
    Migration::contract(
        4,
        "without_display_name",
        include_str!("../../migrations/sqlite/0004_without_display_name.sql"),
    ),
];

/// [`Store`] on one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    sql: Sqlite,
    tenants: &'static TenantStatements,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.sql.name())
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Brings the file to this program's schema, as far as older programs can follow, and serves it.
    pub async fn new(sql: Sqlite) -> Result<Self, StoreError> {
        sql.migrate(MIGRATIONS).await?;
        // It stays there while the file is open: whoever contracts it has the data folder to itself.
        let tenants = statements::tenant(sql.schema_version().await?);
        Ok(Self { sql, tenants })
    }

    /// Takes away what only older programs need. No other program may have the file open.
    pub async fn contract(sql: &Sqlite) -> Result<(), StoreError> {
        Ok(sql.migrate_contract(MIGRATIONS).await?)
    }
}

#[async_trait]
impl Store for SqliteStore {
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
                    let done = sqlx::query(statements::PUT_CODE)
                        .bind(code.as_slice())
                        .bind(&grant.client_id)
                        .bind(&grant.redirect_uri)
                        .bind(&grant.challenge)
                        .bind(grant.tenant.as_str())
                        .bind(grant.user.as_str())
                        .bind(grant.scopes.to_string())
                        .bind(grant.nonce.as_deref())
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
        let row: Option<GrantRow<String>> = self
            .sql
            .write("take_authorization_code", |tx| {
                sql::scoped(async move {
                    // All of them: a statement that is left before its end has deleted nothing yet.
                    let rows: Vec<GrantRow<String>> = sqlx::query_as(statements::TAKE_CODE)
                        .bind(code.as_slice())
                        .fetch_all(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(rows.into_iter().next())
                })
            })
            .await?;
        row.map(rows::grant).transpose()
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
