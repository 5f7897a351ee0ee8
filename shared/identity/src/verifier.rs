//! Verifying a token: everything a stranger may have written is checked before it is believed.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};

use crate::claims::TOKEN_LIFETIME_S_MAX;
use crate::eddsa;
use crate::error::VerifyError;
use crate::key_ring::{FetchKeys, KeyRing, KeyTimes};
use crate::verified::{self, TokenHash, Verified, VerifiedTokens};
use crate::{Principal, Scopes, Tenant, User};

/// What a role demands of a token, and how it keeps the issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerifierSettings {
    /// The issuer's URL; the token's `iss` must equal it.
    pub issuer: String,
    /// Whom tokens must be for (`aud`).
    pub audience: String,
    /// How far the issuer's clock may be from ours.
    pub leeway_ms: u64,
    /// The longest token that is looked at.
    pub token_bytes_max: usize,
    /// How many verified tokens are remembered; 0 checks every signature again.
    pub verified_tokens_max: usize,
    /// Key sets older than this are refreshed in the background.
    pub keys_max_age_ms: u64,
    /// With the issuer down, the last good key set is trusted for this long.
    pub keys_stale_max_ms: u64,
    /// A token that names an unknown key causes at most one fetch in this time.
    pub unknown_key_interval_ms: u64,
    /// A failed fetch is tried again after this time at the earliest.
    pub fetch_retry_ms: u64,
    /// How long one fetch may take; `client.request_timeout_ms` bounds it too.
    pub fetch_timeout_ms: u64,
}

impl Default for VerifierSettings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            audience: "orrery".to_owned(),
            leeway_ms: 5_000,
            token_bytes_max: 4_096,
            verified_tokens_max: 10_000,
            keys_max_age_ms: 60_000,
            keys_stale_max_ms: 3_600_000,
            unknown_key_interval_ms: 5_000,
            fetch_retry_ms: 250,
            fetch_timeout_ms: 2_000,
        }
    }
}

/// Verifies access tokens. Cheap to clone; clones share keys and memory.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    settings: VerifierSettings,
    validation: Validation,
    clock: SharedClock,
    ring: KeyRing,
    seen: VerifiedTokens,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

/// What is read of a token. Another issuer may name several audiences; unknown claims are left alone.
#[derive(Deserialize)]
struct WireClaims {
    iss: String,
    aud: OneOrMany,
    sub: User,
    tenant: Tenant,
    #[serde(default)]
    scope: Scopes,
    iat: u64,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Verifier {
    /// A verifier that gets its keys from `keys`. Asks for none until the first token comes.
    pub fn new(settings: VerifierSettings, keys: Arc<dyn FetchKeys>, clock: SharedClock) -> Self {
        eddsa::install();
        let mut validation = Validation::new(Algorithm::EdDSA);
        // The library judges times by the system's clock and takes a missing `iss` for a good one: all claims are judged here.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let times = KeyTimes {
            max_age: Duration::from_millis(settings.keys_max_age_ms),
            stale_max: Duration::from_millis(settings.keys_stale_max_ms.max(settings.keys_max_age_ms)),
            unknown_interval: Duration::from_millis(settings.unknown_key_interval_ms),
            retry_interval: Duration::from_millis(settings.fetch_retry_ms),
            fetch_timeout: Duration::from_millis(settings.fetch_timeout_ms),
        };
        let ring = KeyRing::new(keys, clock.clone(), times);
        let seen = VerifiedTokens::new(settings.verified_tokens_max);
        Self(Arc::new(Inner {
            settings,
            validation,
            clock,
            ring,
            seen,
        }))
    }

    /// The settings in force.
    pub fn settings(&self) -> &VerifierSettings {
        &self.0.settings
    }

    /// Who sent this token (the text after `Bearer `). A token seen before costs one hash; a new one a signature check;
    /// only a token by an unknown key, or the very first, may wait for the issuer (`fetch_timeout_ms`).
    pub async fn verify(&self, token: &str) -> Result<Principal, VerifyError> {
        if token.len() > self.0.settings.token_bytes_max {
            return Err(VerifyError::TooLong);
        }
        let hash = verified::hash(token);
        if let Some(known) = self.0.seen.get(&hash) {
            self.check_times(known.valid_from_s, known.exp_s)?;
            if self.0.ring.knows(&known.kid) {
                return Ok(known.principal);
            }
            self.0.seen.forget(&hash);
        }
        self.verify_new(token, hash).await
    }

    async fn verify_new(&self, token: &str, hash: TokenHash) -> Result<Principal, VerifyError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| refusal(error.kind()))?;
        if header.alg != Algorithm::EdDSA {
            return Err(VerifyError::WrongAlgorithm);
        }
        // RFC 7515: what the sender calls critical must be understood, and nothing is; compression is refused outright.
        if header.crit.is_some() || header.zip.is_some() || header.enc.is_some() {
            return Err(VerifyError::Malformed);
        }
        let kid = header
            .kid
            .filter(|kid| !kid.is_empty())
            .ok_or(VerifyError::MissingKeyId)?;
        let key = self.0.ring.key(&kid).await?;
        let claims = jsonwebtoken::decode::<WireClaims>(token, &key, &self.0.validation)
            .map_err(|error| refusal(error.kind()))?
            .claims;
        self.check(&claims)?;
        let principal = Principal {
            tenant: claims.tenant,
            user: claims.sub,
            scopes: claims.scope,
        };
        let valid_from_s = claims.nbf.unwrap_or(0).max(claims.iat);
        let verified = Verified {
            principal: principal.clone(),
            kid,
            valid_from_s,
            exp_s: claims.exp,
        };
        self.0.seen.put(hash, verified, self.0.clock.unix_ms() / 1_000);
        Ok(principal)
    }

    fn check(&self, claims: &WireClaims) -> Result<(), VerifyError> {
        let settings = &self.0.settings;
        if claims.iss != settings.issuer {
            return Err(VerifyError::WrongIssuer);
        }
        let for_us = match &claims.aud {
            OneOrMany::One(one) => *one == settings.audience,
            OneOrMany::Many(many) => many.contains(&settings.audience),
        };
        if !for_us {
            return Err(VerifyError::WrongAudience);
        }
        if !matches!(claims.exp.checked_sub(claims.iat), Some(1..=TOKEN_LIFETIME_S_MAX)) {
            return Err(VerifyError::LifetimeTooLong);
        }
        self.check_times(claims.nbf.unwrap_or(0).max(claims.iat), claims.exp)
    }

    fn check_times(&self, valid_from_s: u64, exp_s: u64) -> Result<(), VerifyError> {
        let (now_ms, leeway_ms) = (self.0.clock.unix_ms(), self.0.settings.leeway_ms);
        if now_ms >= exp_s.saturating_mul(1_000).saturating_add(leeway_ms) {
            return Err(VerifyError::Expired);
        }
        if valid_from_s.saturating_mul(1_000) > now_ms.saturating_add(leeway_ms) {
            return Err(VerifyError::NotYetValid);
        }
        Ok(())
    }
}

fn refusal(kind: &ErrorKind) -> VerifyError {
    match kind {
        ErrorKind::InvalidSignature => VerifyError::BadSignature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => VerifyError::WrongAlgorithm,
        _ => VerifyError::Malformed,
    }
}
