//! A machine client and its API key become a token (RFC 6749, section 4.4).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use identity::{Principal, Scopes};

use crate::api_keys::{self, HashSecret};
use crate::config::Rules;
use crate::error::IssuerError;
use crate::hash_secret::SecretError;
use crate::operations::sign_token;
use crate::operations::token_request::{Refusal, TokenAnswer, oauth};
use crate::params::Params;
use crate::store::{ClientRecord, Store};

/// Who a client says it is, and its proof.
struct Credentials {
    client_id: String,
    api_key: String,
}

/// Answers a client with a token of its own: `sub` is the client. Revoked, expired, disabled: `invalid_client`, and no word
/// about which. The store is asked each time, so that a revocation holds from the moment it is acknowledged.
pub(crate) async fn grant(
    store: &dyn Store,
    rules: &Rules,
    secret: &HashSecret,
    params: &Params,
    authorization: Option<&str>,
    now_ms: u64,
) -> Result<TokenAnswer, Refusal> {
    let credentials = credentials(params, authorization)?;
    let client = authenticate(store, secret, &credentials, now_ms)
        .await?
        .ok_or(Refusal::Unauthenticated(
            "the client or its API key is not valid (any more)",
        ))?;
    let scope = match params.get("scope") {
        None => client.scopes.clone(),
        Some(wanted) => narrowed(wanted, &client.scopes)?,
    };
    let principal = Principal {
        tenant: client.tenant,
        user: client.id,
        scopes: scope.clone(),
    };
    let access_token =
        sign_token::access_token(store, rules, &principal, rules.token_lifetime_s, now_ms).await?;
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: rules.token_lifetime_s,
        scope,
        id_token: None,
    })
}

fn narrowed(wanted: &str, allowed: &Scopes) -> Result<Scopes, Refusal> {
    let refused = oauth("invalid_scope", "the client may not have every scope it asks for");
    match Scopes::parse(wanted) {
        Ok(wanted) if wanted.iter().all(|scope| allowed.contains(scope)) => Ok(wanted),
        _ => Err(refused),
    }
}

/// From the header or from the form, never from both (RFC 6749, section 2.3).
fn credentials(params: &Params, authorization: Option<&str>) -> Result<Credentials, Refusal> {
    let (id, secret) = (params.get("client_id"), params.get("client_secret"));
    let Some(header) = authorization else {
        return match (id, secret) {
            (Some(id), Some(secret)) => Ok(Credentials {
                client_id: id.to_owned(),
                api_key: secret.to_owned(),
            }),
            _ => Err(Refusal::Unauthenticated(
                "a client id and an API key are required, by Basic or in the form",
            )),
        };
    };
    if secret.is_some() {
        return Err(oauth("invalid_request", "the client proves itself twice"));
    }
    let given = basic(header).ok_or(Refusal::Unauthenticated(
        "the Authorization header is not Basic with a client id and an API key",
    ))?;
    if id.is_some_and(|id| id != given.client_id) {
        return Err(oauth("invalid_request", "two different client ids are named"));
    }
    Ok(given)
}

/// `Basic base64(id:key)`. Ids and keys of ours are made of characters that form encoding, which RFC 6749 wants inside,
/// leaves as they are.
fn basic(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let encoded = encoded.trim();
    let bytes = STANDARD
        .decode(encoded)
        .or_else(|_| STANDARD_NO_PAD.decode(encoded))
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (client_id, api_key) = text.split_once(':')?;
    Some(Credentials {
        client_id: client_id.to_owned(),
        api_key: api_key.to_owned(),
    })
}

async fn authenticate(
    store: &dyn Store,
    secret: &HashSecret,
    credentials: &Credentials,
    now_ms: u64,
) -> Result<Option<ClientRecord>, IssuerError> {
    let Some(id) = api_keys::id_of(&credentials.api_key) else {
        return Ok(None);
    };
    let Some((key, client)) = store.api_key(id).await? else {
        return Ok(None);
    };
    if key.secret_id != secret.id() && key.is_live(now_ms) {
        // Not the client's fault: this process was given another secret than the one that made the key.
        return Err(SecretError::Foreign {
            keys: 1,
            from: "this process".to_owned(),
        }
        .into());
    }
    let proven = secret.matches(&credentials.api_key, &key.hash);
    let valid = proven
        && client.id.as_str() == credentials.client_id
        && client.disabled_ms.is_none()
        && key.is_live(now_ms);
    Ok(valid.then_some(client))
}
