//! What can go wrong. No variant carries the token, nor any part of it: errors are logged, tokens never are.

/// A name or scope that breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not valid: {}", .kind, rule(.kind))]
pub struct InvalidName {
    /// What it was to be: `tenant`, `user` or `scope`.
    pub kind: &'static str,
}

fn rule(kind: &str) -> &'static str {
    match kind {
        "scope" => "at most 32 scopes, each 1 to 64 visible ASCII characters without quotes and backslashes",
        _ => "1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and hyphen",
    }
}

impl InvalidName {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        "invalid_name"
    }

    /// Never: the same name stays invalid.
    pub fn retryable(&self) -> bool {
        false
    }
}

/// A signing key that cannot be read, or a token that must not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The stored key is not an Ed25519 key in PKCS#8 form.
    #[error("the stored signing key is not an Ed25519 key in PKCS#8 form")]
    Unreadable,
    /// The claims ask for a longer life than tokens may have, or end before they begin.
    #[error("a token lives between 1 second and 15 minutes")]
    Lifetime,
    /// The claims could not be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Claims,
}

impl KeyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "signing_key_unreadable",
            Self::Lifetime => "token_lifetime_invalid",
            Self::Claims => "token_claims_invalid",
        }
    }

    /// Never: none of these passes by waiting.
    pub fn retryable(&self) -> bool {
        false
    }
}

/// The issuer's key set could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchKeysError {
    /// No answer, or an error answer; the text is for the operator's log.
    #[error("the issuer's key set is out of reach: {0}")]
    Unreachable(String),
    /// An answer that is no key set, or one without a usable key.
    #[error("the issuer's key set is unusable: {0}")]
    Unusable(String),
}

impl FetchKeysError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "key_set_unreachable",
            Self::Unusable(_) => "key_set_unusable",
        }
    }

    /// Whether asking again may help.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Why a token was refused. All but [`VerifyError::KeysUnavailable`] are a 401; that one is a 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Longer than the limit.
    #[error("the token is too long")]
    TooLong,
    /// Not three base64url parts of JSON, or claims that are missing, doubled or of the wrong type.
    #[error("the token is malformed")]
    Malformed,
    /// Signed with anything but EdDSA, `none` included.
    #[error("the token is not signed with EdDSA")]
    WrongAlgorithm,
    /// The header names no key.
    #[error("the token names no key")]
    MissingKeyId,
    /// The issuer publishes no such key (any more).
    #[error("the token is signed by a key that the issuer does not publish")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Made by another issuer.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// Made for somebody else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Past its end.
    #[error("the token has expired")]
    Expired,
    /// `iat` or `nbf` lie ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Lives longer than 15 minutes, or ends before it begins.
    #[error("the token lives longer than 15 minutes")]
    LifetimeTooLong,
    /// No key set, or only one that is too old to trust: the issuer has been out of reach for too long.
    #[error("tokens cannot be verified: the issuer's keys are out of reach")]
    KeysUnavailable,
}

impl VerifyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::WrongAlgorithm => "token_algorithm_refused",
            Self::MissingKeyId => "token_key_missing",
            Self::UnknownKey => "token_key_unknown",
            Self::BadSignature => "token_signature_invalid",
            Self::WrongIssuer => "token_issuer_refused",
            Self::WrongAudience => "token_audience_refused",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::LifetimeTooLong => "token_lifetime_refused",
            Self::KeysUnavailable => "token_keys_unavailable",
        }
    }

    /// Whether the same token may pass a little later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::KeysUnavailable)
    }
}
