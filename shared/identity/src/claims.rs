//! What a token says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{Principal, Scopes, Tenant, User};

/// No token lives longer: 15 minutes, in seconds. Signing refuses it, and so does verifying.
pub const TOKEN_LIFETIME_S_MAX: u64 = 15 * 60;

/// The claims of an access token (RFC 9068, with `tenant` of our own). Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer's URL.
    pub iss: String,
    /// Whom the token is for.
    pub aud: String,
    /// The user.
    pub sub: User,
    /// The tenant.
    pub tenant: Tenant,
    /// What it allows.
    #[serde(default)]
    pub scope: Scopes,
    /// Made at.
    pub iat: u64,
    /// Not valid from then on.
    pub exp: u64,
    /// The token's own id, random.
    pub jti: String,
}

impl Claims {
    /// The claims of a token for `principal`, valid from `now_s` (unix seconds) for `ttl_s`, with a random `jti`.
    pub fn new(issuer: &str, audience: &str, principal: &Principal, now_s: u64, ttl_s: u64) -> Self {
        Self {
            iss: issuer.to_owned(),
            aud: audience.to_owned(),
            sub: principal.user.clone(),
            tenant: principal.tenant.clone(),
            scope: principal.scopes.clone(),
            iat: now_s,
            exp: now_s.saturating_add(ttl_s),
            jti: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        }
    }
}

/// The claims of an ID token (OpenID Connect Core, section 2): tells the client who signed in, opens nothing, for its
/// audience is the client and never a role. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdClaims {
    /// The issuer's URL.
    pub iss: String,
    /// The client's id.
    pub aud: String,
    /// The user.
    pub sub: User,
    /// The tenant.
    pub tenant: Tenant,
    /// Made at.
    pub iat: u64,
    /// Not valid from then on.
    pub exp: u64,
    /// What the client sent along to bind the answer to its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}
