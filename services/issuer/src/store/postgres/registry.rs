//! Tenants, clients and API keys on PostgreSQL. Each limit is counted behind a lock on what the rows belong to.

use async_trait::async_trait;
use identity::{Tenant, User};

use super::{PostgresStore, hold};
use crate::store::StoreError;
use crate::store::registry::{ApiKeyRecord, ClientRecord, Put, Registry, TenantRecord};
use crate::store::rows::{self, ApiKeyRow, ClientRow, TenantRow};
use crate::store::statements::{self, TenantStatements};

const HOLD_TENANT: &str = "SELECT id FROM tenant WHERE id = $1 FOR UPDATE";

const HOLD_CLIENT: &str = "SELECT id FROM client WHERE id = $1 FOR UPDATE";

#[async_trait]
impl Registry for PostgresStore {
    async fn put_tenant(&self, tenant: &TenantRecord, tenants_max: u32) -> Result<Put, StoreError> {
        self.on_tenants(move |statements| self.put_tenant_by(statements, tenant, tenants_max))
            .await
    }

    async fn tenant(&self, id: &Tenant) -> Result<Option<TenantRecord>, StoreError> {
        self.on_tenants(move |statements| self.tenant_by(statements, id))
            .await
    }

    async fn put_client(&self, client: &ClientRecord, clients_max: u32) -> Result<Put, StoreError> {
        self.sql
            .write("put_client", |tx| {
                sql::scoped(async move {
                    let tenant: Option<String> = sqlx::query_scalar(HOLD_TENANT)
                        .bind(client.tenant.as_str())
                        .fetch_optional(&mut *tx)
                        .await?;
                    if tenant.is_none() {
                        return Ok(Put::Orphan);
                    }
                    let standing: i64 = sqlx::query_scalar(statements::CLIENT_STANDS)
                        .bind(client.id.as_str())
                        .bind(client.tenant.as_str())
                        .bind(client.name.as_str())
                        .fetch_one(&mut *tx)
                        .await?;
                    if standing > 0 {
                        return Ok(Put::Known);
                    }
                    let count: i64 = sqlx::query_scalar(statements::COUNT_CLIENTS)
                        .bind(client.tenant.as_str())
                        .fetch_one(&mut *tx)
                        .await?;
                    if count >= i64::from(clients_max) {
                        return Ok(Put::Full);
                    }
                    sqlx::query(statements::INSERT_CLIENT)
                        .bind(client.id.as_str())
                        .bind(client.tenant.as_str())
                        .bind(client.name.as_str())
                        .bind(client.scopes.to_string())
                        .bind(sql::int(client.created_ms)?)
                        .bind(rows::optional_int(client.disabled_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(Put::Made)
                })
            })
            .await
    }

    async fn client(&self, tenant: &Tenant, name: &User) -> Result<Option<ClientRecord>, StoreError> {
        let row: Option<ClientRow> = self
            .sql
            .read("find_client", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(statements::FIND_CLIENT)
                        .bind(tenant.as_str())
                        .bind(name.as_str());
                    Ok::<_, StoreError>(query.fetch_optional(conn).await?)
                })
            })
            .await?;
        row.map(rows::client).transpose()
    }

    async fn disable_client(
        &self,
        tenant: &Tenant,
        name: &User,
        disabled_ms: Option<u64>,
    ) -> Result<bool, StoreError> {
        self.sql
            .write("disable_client", |tx| {
                sql::scoped(async move {
                    let done = sqlx::query(statements::DISABLE_CLIENT)
                        .bind(tenant.as_str())
                        .bind(name.as_str())
                        .bind(rows::optional_int(disabled_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(done.rows_affected() == 1)
                })
            })
            .await
    }

    async fn put_api_key(&self, key: &ApiKeyRecord, live_max: u32, now_ms: u64) -> Result<Put, StoreError> {
        self.sql
            .write("put_api_key", |tx| {
                sql::scoped(async move {
                    let client: Option<String> = sqlx::query_scalar(HOLD_CLIENT)
                        .bind(key.client_id.as_str())
                        .fetch_optional(&mut *tx)
                        .await?;
                    if client.is_none() {
                        return Ok(Put::Orphan);
                    }
                    let standing: i64 = sqlx::query_scalar(statements::API_KEY_STANDS)
                        .bind(&key.id)
                        .fetch_one(&mut *tx)
                        .await?;
                    if standing > 0 {
                        return Ok(Put::Known);
                    }
                    let live: i64 = sqlx::query_scalar(statements::COUNT_LIVE_API_KEYS)
                        .bind(key.client_id.as_str())
                        .bind(sql::int(now_ms)?)
                        .fetch_one(&mut *tx)
                        .await?;
                    if live >= i64::from(live_max) {
                        return Ok(Put::Full);
                    }
                    sqlx::query(statements::INSERT_API_KEY)
                        .bind(&key.id)
                        .bind(key.client_id.as_str())
                        .bind(key.hash.as_slice())
                        .bind(key.secret_id.as_slice())
                        .bind(sql::int(key.created_ms)?)
                        .bind(rows::optional_int(key.expires_ms)?)
                        .bind(rows::optional_int(key.revoked_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(Put::Made)
                })
            })
            .await
    }

    async fn api_key(&self, id: &str) -> Result<Option<(ApiKeyRecord, ClientRecord)>, StoreError> {
        let row: Option<ApiKeyRow> = self
            .sql
            .read("find_api_key", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(statements::FIND_API_KEY).bind(id);
                    Ok::<_, StoreError>(query.fetch_optional(conn).await?)
                })
            })
            .await?;
        row.map(rows::api_key).transpose()
    }

    async fn api_keys(
        &self,
        tenant: &Tenant,
        limit: u32,
    ) -> Result<Vec<(ApiKeyRecord, ClientRecord)>, StoreError> {
        let found: Vec<ApiKeyRow> = self
            .sql
            .read("list_api_keys", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(statements::LIST_API_KEYS)
                        .bind(tenant.as_str())
                        .bind(i64::from(limit));
                    Ok::<_, StoreError>(query.fetch_all(conn).await?)
                })
            })
            .await?;
        found.into_iter().map(rows::api_key).collect()
    }

    async fn revoke_api_key(&self, tenant: &Tenant, id: &str, now_ms: u64) -> Result<bool, StoreError> {
        self.sql
            .write("revoke_api_key", |tx| {
                sql::scoped(async move {
                    let done = sqlx::query(statements::REVOKE_API_KEY)
                        .bind(tenant.as_str())
                        .bind(id)
                        .bind(sql::int(now_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(done.rows_affected() == 1)
                })
            })
            .await
    }

    async fn forget_api_keys(&self, dead_ms: u64) -> Result<u64, StoreError> {
        self.sql
            .write("forget_api_keys", |tx| {
                sql::scoped(async move {
                    let done = sqlx::query(statements::FORGET_API_KEYS)
                        .bind(sql::int(dead_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(done.rows_affected())
                })
            })
            .await
    }

    async fn foreign_api_keys(&self, secret_id: Option<&[u8; 8]>, now_ms: u64) -> Result<u64, StoreError> {
        let count: i64 = self
            .sql
            .read("count_foreign_api_keys", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_scalar(statements::COUNT_FOREIGN_API_KEYS)
                        .bind(sql::int(now_ms)?)
                        .bind(secret_id.map(<[u8; 8]>::as_slice));
                    Ok::<_, StoreError>(query.fetch_one(conn).await?)
                })
            })
            .await?;
        Ok(sql::uint(count)?)
    }
}

impl PostgresStore {
    async fn put_tenant_by(
        &self,
        tenants: &TenantStatements,
        tenant: &TenantRecord,
        tenants_max: u32,
    ) -> Result<Put, StoreError> {
        self.sql
            .write("put_tenant", |tx| {
                sql::scoped(async move {
                    hold(tx, "tenant").await?;
                    let standing: Option<TenantRow> = sqlx::query_as(tenants.find)
                        .bind(tenant.id.as_str())
                        .fetch_optional(&mut *tx)
                        .await?;
                    if standing.is_some() {
                        return Ok(Put::Known);
                    }
                    let count: i64 = sqlx::query_scalar(statements::COUNT_TENANTS)
                        .fetch_one(&mut *tx)
                        .await?;
                    if count >= i64::from(tenants_max) {
                        return Ok(Put::Full);
                    }
                    sqlx::query(tenants.insert)
                        .bind(tenant.id.as_str())
                        .bind(&tenant.display_name)
                        .bind(sql::int(tenant.created_ms)?)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, StoreError>(Put::Made)
                })
            })
            .await
    }

    async fn tenant_by(
        &self,
        tenants: &TenantStatements,
        id: &Tenant,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let row: Option<TenantRow> = self
            .sql
            .read("find_tenant", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_as(tenants.find).bind(id.as_str());
                    Ok::<_, StoreError>(query.fetch_optional(conn).await?)
                })
            })
            .await?;
        row.map(rows::tenant).transpose()
    }
}
