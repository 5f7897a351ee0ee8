//! Who may ask for tokens without a person: tenants, their machine clients, and the clients' API keys.

use async_trait::async_trait;
use identity::{Scopes, Tenant, User};

use super::StoreError;

/// A customer that has machine clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// What tokens call it.
    pub id: Tenant,
    /// What people call it. No control characters.
    pub display_name: String,
    /// Unix ms.
    pub created_ms: u64,
}

/// A program that acts for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its `client_id`, and the `sub` of its tokens.
    pub id: User,
    /// Whom it acts for.
    pub tenant: Tenant,
    /// What people call it; unique within the tenant, of the same characters as an id.
    pub name: User,
    /// The most its tokens may allow.
    pub scopes: Scopes,
    /// Unix ms.
    pub created_ms: u64,
    /// Since when it gets no tokens (unix ms).
    pub disabled_ms: Option<u64>,
}

/// What a client proves itself with, as far as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The visible part of the key.
    pub id: String,
    /// Whose it is.
    pub client_id: User,
    /// HMAC-SHA256 of the whole key.
    pub hash: [u8; 32],
    /// Which secret the hash was made with.
    pub secret_id: [u8; 8],
    /// Unix ms.
    pub created_ms: u64,
    /// Not valid from then on (unix ms).
    pub expires_ms: Option<u64>,
    /// Not valid since then (unix ms).
    pub revoked_ms: Option<u64>,
}

impl std::fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyRecord")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("expires_ms", &self.expires_ms)
            .field("revoked_ms", &self.revoked_ms)
            .finish_non_exhaustive()
    }
}

impl ApiKeyRecord {
    /// Whether it is neither revoked nor expired.
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|at| now_ms < at)
    }
}

/// What became of a new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It stands.
    Made,
    /// One with its id or name stands already; nothing was changed. After an unknown outcome it may be one's own.
    Known,
    /// There are as many as there may be.
    Full,
    /// What it would belong to is not there.
    Orphan,
}

/// Tenants, clients and API keys. The promises of [`Store`](super::Store) hold: one atomic step a call, durable on `Ok`,
/// every call may be repeated. Limits are exact however many processes race for the last place.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Adds a tenant unless `tenants_max` are there.
    async fn put_tenant(&self, tenant: &TenantRecord, tenants_max: u32) -> Result<Put, StoreError>;

    /// One tenant.
    async fn tenant(&self, id: &Tenant) -> Result<Option<TenantRecord>, StoreError>;

    /// Adds a client unless its tenant has `clients_max` already, or is not there.
    async fn put_client(&self, client: &ClientRecord, clients_max: u32) -> Result<Put, StoreError>;

    /// A tenant's client of that name.
    async fn client(&self, tenant: &Tenant, name: &User) -> Result<Option<ClientRecord>, StoreError>;

    /// Disables a tenant's client since `disabled_ms`, or (`None`) enables it; says whether there is such a client. One that
    /// is disabled already keeps its time.
    async fn disable_client(
        &self,
        tenant: &Tenant,
        name: &User,
        disabled_ms: Option<u64>,
    ) -> Result<bool, StoreError>;

    /// Adds an API key unless its client has `live_max` that are live at `now_ms`, or is not there.
    async fn put_api_key(&self, key: &ApiKeyRecord, live_max: u32, now_ms: u64) -> Result<Put, StoreError>;

    /// A key, whatever its state, and its client.
    async fn api_key(&self, id: &str) -> Result<Option<(ApiKeyRecord, ClientRecord)>, StoreError>;

    /// The newest `limit` keys of a tenant, whatever their state, newest first; ties by id.
    async fn api_keys(
        &self,
        tenant: &Tenant,
        limit: u32,
    ) -> Result<Vec<(ApiKeyRecord, ClientRecord)>, StoreError>;

    /// Revokes a tenant's key; says whether there is such a key. One that is revoked already keeps its time.
    async fn revoke_api_key(&self, tenant: &Tenant, id: &str, now_ms: u64) -> Result<bool, StoreError>;

    /// Deletes the keys that were revoked or expired at `dead_ms` or before, and says how many.
    async fn forget_api_keys(&self, dead_ms: u64) -> Result<u64, StoreError>;

    /// How many keys are live at `now_ms` and were not hashed with the secret `secret_id` (`None`: with any).
    async fn foreign_api_keys(&self, secret_id: Option<&[u8; 8]>, now_ms: u64) -> Result<u64, StoreError>;
}
