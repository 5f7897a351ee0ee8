//! Signing a token for somebody the caller vouches for.

use identity::{Claims, IdClaims, Principal};

use crate::config::Rules;
use crate::error::IssuerError;
use crate::operations::rotate_keys;
use crate::store::Store;

/// An access token for `principal`, and how long it lives in seconds.
pub(crate) async fn access_token(
    store: &dyn Store,
    rules: &Rules,
    principal: &Principal,
    lifetime_s: u64,
    now_ms: u64,
) -> Result<String, IssuerError> {
    let key = rotate_keys::signing_key(store, rules, now_ms).await?;
    let claims = Claims::new(
        &rules.issuer,
        &rules.audience,
        principal,
        now_ms / 1_000,
        lifetime_s,
    );
    Ok(key.sign(&claims)?)
}

/// An ID token: tells `client_id` who signed in, opens nothing.
pub(crate) async fn id_token(
    store: &dyn Store,
    rules: &Rules,
    principal: &Principal,
    client_id: &str,
    nonce: Option<String>,
    now_ms: u64,
) -> Result<String, IssuerError> {
    let key = rotate_keys::signing_key(store, rules, now_ms).await?;
    let iat = now_ms / 1_000;
    Ok(key.sign_id(&IdClaims {
        iss: rules.issuer.clone(),
        aud: client_id.to_owned(),
        sub: principal.user.clone(),
        tenant: principal.tenant.clone(),
        iat,
        exp: iat + rules.token_lifetime_s,
        nonce,
    })?)
}
