//! The store on SQLite: the only place with SQL.

use async_trait::async_trait;
use identity::{Scopes, Tenant, User};
use sql::{Migration, SqlError, Sqlite};

use super::{CodeHash, Grant, Identity, KeyRecord, Store, StoreError};

const MIGRATIONS: &[Migration] = &[Migration::expand(
    1,
    "issuer",
    include_str!("../../migrations/sqlite/0001_issuer.sql"),
)];

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        let (code, retryable, detail) = (error.code(), error.retryable(), error.to_string());
        if error.is_unknown() {
            Self::Unknown(detail)
        } else {
            Self::Unavailable {
                code,
                detail,
                retryable,
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        SqlError::from(error).into()
    }
}

/// [`Store`] on one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    sql: Sqlite,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.sql.name())
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Brings the file to this program's schema and serves it.
    pub async fn new(sql: Sqlite) -> Result<Self, StoreError> {
        sql.migrate(MIGRATIONS).await?;
        Ok(Self { sql })
    }

    /// Closes the file after a last checkpoint.
    pub async fn close(&self) {
        self.sql.close().await;
    }
}

type GrantRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
);

fn grant(row: GrantRow) -> Result<Grant, StoreError> {
    let (client_id, redirect_uri, challenge, tenant, user, scope, nonce, expires_ms) = row;
    let damaged = |_| StoreError::Damaged("an authorization code with an invalid name");
    Ok(Grant {
        client_id,
        redirect_uri,
        challenge,
        tenant: Tenant::parse(&tenant).map_err(damaged)?,
        user: User::parse(&user).map_err(damaged)?,
        scopes: Scopes::parse(&scope).map_err(damaged)?,
        nonce,
        expires_ms: sql::uint(expires_ms)?,
    })
}

#[async_trait]
impl Store for SqliteStore {
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows: Vec<(String, Vec<u8>, i64)> = self
            .sql
            .read("list_signing_keys", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(
                        "SELECT kid, pkcs8, use_from_ms FROM signing_key ORDER BY use_from_ms",
                    );
                    Ok::<_, StoreError>(query.fetch_all(conn).await?)
                })
            })
            .await?;
        let record = |(kid, pkcs8, use_from_ms)| {
            Ok(KeyRecord {
                kid,
                pkcs8,
                use_from_ms: sql::uint(use_from_ms)?,
            })
        };
        rows.into_iter().map(record).collect()
    }

    async fn append_key(&self, after: Option<&str>, key: &KeyRecord) -> Result<bool, StoreError> {
        self.sql
            .write("append_signing_key", |tx| {
                sql::scoped(async move {
                    let newest: Option<(String, i64)> = sqlx::query_as(
                        "SELECT kid, use_from_ms FROM signing_key ORDER BY use_from_ms DESC LIMIT 1",
                    )
                    .fetch_optional(&mut *tx)
                    .await?;
                    let (newest, newest_from_ms) =
                        newest.map_or((None, -1), |(kid, from_ms)| (Some(kid), from_ms));
                    let use_from_ms = sql::int(key.use_from_ms)?;
                    if newest.as_deref() != after || use_from_ms <= newest_from_ms {
                        return Ok(false);
                    }
                    sqlx::query("INSERT INTO signing_key (kid, pkcs8, use_from_ms) VALUES (?, ?, ?)")
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
        const DELETE: &str = "DELETE FROM signing_key WHERE kid = ? AND use_from_ms < (SELECT max(use_from_ms) FROM signing_key)";
        self.sql
            .write("remove_signing_key", |tx| {
                sql::scoped(async move {
                    sqlx::query(DELETE).bind(kid).execute(&mut *tx).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn put_code(&self, code: &CodeHash, grant: &Grant, codes_max: u32) -> Result<bool, StoreError> {
        const INSERT: &str = "INSERT INTO authorization_code \
             (code_hash, client_id, redirect_uri, challenge, tenant, user, scope, nonce, expires_ms) \
             SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM authorization_code) < ?";
        self.sql
            .write("put_authorization_code", |tx| {
                sql::scoped(async move {
                    let done = sqlx::query(INSERT)
                        .bind(code.as_slice())
                        .bind(&grant.client_id)
                        .bind(&grant.redirect_uri)
                        .bind(&grant.challenge)
                        .bind(grant.tenant.as_str())
                        .bind(grant.user.as_str())
                        .bind(grant.scopes.to_string())
                        .bind(&grant.nonce)
                        .bind(sql::int(grant.expires_ms)?)
                        .bind(codes_max)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(done.rows_affected() == 1)
                })
            })
            .await
    }

    async fn take_code(&self, code: &CodeHash) -> Result<Option<Grant>, StoreError> {
        const TAKE: &str = "DELETE FROM authorization_code WHERE code_hash = ? \
             RETURNING client_id, redirect_uri, challenge, tenant, user, scope, nonce, expires_ms";
        let row: Option<GrantRow> = self
            .sql
            .write("take_authorization_code", |tx| {
                sql::scoped(async move {
                    let rows: Vec<GrantRow> = sqlx::query_as(TAKE)
                        .bind(code.as_slice())
                        .fetch_all(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(rows.into_iter().next())
                })
            })
            .await?;
        row.map(grant).transpose()
    }

    async fn forget_codes(&self, now_ms: u64) -> Result<u64, StoreError> {
        self.sql
            .write("forget_authorization_codes", |tx| {
                sql::scoped(async move {
                    let done = sqlx::query("DELETE FROM authorization_code WHERE expires_ms <= ?")
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
                    let query =
                        sqlx::query_as("SELECT name, value FROM meta WHERE name IN ('issuer', 'audience')");
                    Ok::<_, StoreError>(query.fetch_all(conn).await?)
                })
            })
            .await?;
        let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.clone());
        Ok(value("issuer")
            .zip(value("audience"))
            .map(|(issuer, audience)| Identity { issuer, audience }))
    }

    async fn set_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        const UPSERT: &str = "INSERT INTO meta (name, value) VALUES ('issuer', ?), ('audience', ?) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.sql
            .write("write_issuer", |tx| {
                sql::scoped(async move {
                    sqlx::query(UPSERT)
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
}
