//! A code and its verifier become a token (RFC 6749, section 4.1.3; RFC 7636, section 4.6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Principal, Scopes};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::Rules;
use crate::error::IssuerError;
use crate::operations::authorize::{CLIENT_ID, OPENID, code_hash};
use crate::operations::sign_token;
use crate::operations::token_request::{Refusal, TokenAnswer, oauth};
use crate::params::Params;
use crate::store::{Grant, Store};

/// Exchanges a code. It is gone with the first attempt, right or wrong: whoever guesses, guesses once.
pub(crate) async fn exchange(
    store: &dyn Store,
    rules: &Rules,
    params: &Params,
    now_ms: u64,
) -> Result<TokenAnswer, Refusal> {
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err(oauth("invalid_client", "the client is not known here"));
    }
    let (Some(code), Some(redirect_uri), Some(verifier)) = (
        params.get("code"),
        params.get("redirect_uri"),
        params.get("code_verifier"),
    ) else {
        return Err(oauth(
            "invalid_request",
            "code, redirect_uri and code_verifier are required",
        ));
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return Err(oauth(
            "invalid_request",
            "code_verifier must be 43 to 128 unreserved characters",
        ));
    }
    let grant = store.take_code(&code_hash(code)).await?;
    // One answer for every way to be wrong: which one it was is nobody's business.
    let fits = |grant: &Grant| {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let proven: bool = challenge.as_bytes().ct_eq(grant.challenge.as_bytes()).into();
        proven
            && grant.client_id == CLIENT_ID
            && grant.redirect_uri == redirect_uri
            && now_ms < grant.expires_ms
    };
    let grant = grant.filter(fits).ok_or(oauth(
        "invalid_grant",
        "the code is not valid (any more) for this request",
    ))?;
    answer(store, rules, grant, now_ms).await
}

async fn answer(store: &dyn Store, rules: &Rules, grant: Grant, now_ms: u64) -> Result<TokenAnswer, Refusal> {
    let wants_id = grant.scopes.contains(OPENID);
    let scope =
        Scopes::of(grant.scopes.iter().filter(|scope| *scope != OPENID)).map_err(IssuerError::from)?;
    let principal = Principal {
        tenant: grant.tenant,
        user: grant.user,
        scopes: scope.clone(),
    };
    let access_token =
        sign_token::access_token(store, rules, &principal, rules.token_lifetime_s, now_ms).await?;
    let id_token = if wants_id {
        Some(sign_token::id_token(store, rules, &principal, CLIENT_ID, grant.nonce, now_ms).await?)
    } else {
        None
    };
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: rules.token_lifetime_s,
        scope,
        id_token,
    })
}
