//! Rows as both engines give them, made into what the port speaks of. What cannot be is damage, not a client's fault.

use identity::{Scopes, Tenant, User};

use super::{ApiKeyRecord, ClientRecord, Grant, Identity, KeyRecord, StoreError, TenantRecord};

pub(super) type KeyRow = (String, Vec<u8>, i64);

pub(super) fn key((kid, pkcs8, use_from_ms): KeyRow) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        kid,
        pkcs8,
        use_from_ms: sql::uint(use_from_ms)?,
    })
}

/// `N` is what the engine keeps a nonce in.
pub(super) type GrantRow<N> = (String, String, String, String, String, String, Option<N>, i64);

pub(super) fn grant(row: GrantRow<String>) -> Result<Grant, StoreError> {
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

pub(super) fn identity(rows: &[(String, String)]) -> Option<Identity> {
    let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.clone());
    let (issuer, audience) = value("issuer").zip(value("audience"))?;
    Some(Identity { issuer, audience })
}

pub(super) type TenantRow = (String, String, i64);

pub(super) fn tenant((id, display_name, created_ms): TenantRow) -> Result<TenantRecord, StoreError> {
    Ok(TenantRecord {
        id: Tenant::parse(&id).map_err(|_| StoreError::Damaged("a tenant with an invalid name"))?,
        display_name,
        created_ms: sql::uint(created_ms)?,
    })
}

pub(super) type ClientRow = (String, String, String, String, i64, Option<i64>);

pub(super) fn client(row: ClientRow) -> Result<ClientRecord, StoreError> {
    let (id, tenant, name, scopes, created_ms, disabled_ms) = row;
    let damaged = |_| StoreError::Damaged("a client with an invalid name");
    Ok(ClientRecord {
        id: User::parse(&id).map_err(damaged)?,
        tenant: Tenant::parse(&tenant).map_err(damaged)?,
        name: User::parse(&name).map_err(damaged)?,
        scopes: Scopes::parse(&scopes).map_err(damaged)?,
        created_ms: sql::uint(created_ms)?,
        disabled_ms: optional(disabled_ms)?,
    })
}

/// Six columns of the key, six of its client.
pub(super) type ApiKeyRow = (
    String,
    Vec<u8>,
    Vec<u8>,
    i64,
    Option<i64>,
    Option<i64>,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
);

pub(super) fn api_key(row: ApiKeyRow) -> Result<(ApiKeyRecord, ClientRecord), StoreError> {
    let (
        id,
        hash,
        secret_id,
        created_ms,
        expires_ms,
        revoked_ms,
        client_id,
        tenant,
        name,
        scopes,
        since,
        off,
    ) = row;
    let damaged = |_| StoreError::Damaged("an API key with a hash of another length");
    let client = client((client_id, tenant, name, scopes, since, off))?;
    let key = ApiKeyRecord {
        id,
        client_id: client.id.clone(),
        hash: hash.try_into().map_err(damaged)?,
        secret_id: secret_id.try_into().map_err(damaged)?,
        created_ms: sql::uint(created_ms)?,
        expires_ms: optional(expires_ms)?,
        revoked_ms: optional(revoked_ms)?,
    };
    Ok((key, client))
}

fn optional(ms: Option<i64>) -> Result<Option<u64>, StoreError> {
    Ok(ms.map(sql::uint).transpose()?)
}

/// The other way: for a column that may be empty.
pub(super) fn optional_int(ms: Option<u64>) -> Result<Option<i64>, StoreError> {
    Ok(ms.map(sql::int).transpose()?)
}
