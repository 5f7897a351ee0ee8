//! The three headers of a delivery.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use crate::secret::Secret;

/// The delivery's id: the same on every attempt.
pub const ID_HEADER: &str = "webhook-id";

/// When this attempt was signed, in unix seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";

/// One or more signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a timestamp may be from now: five minutes, as the reference libraries have it.
pub const TOLERANCE_S: u64 = 300;

/// The longest id.
pub const ID_BYTES_MAX: usize = 256;

/// The most secrets that sign one delivery, and the most signatures that are looked at.
pub const SIGNATURES_MAX: usize = 8;

/// What a signature of this kind begins with: HMAC-SHA256.
const VERSION: &str = "v1,";

/// Why a delivery cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// An id that a receiver could take apart in two ways, or that is no header.
    #[error("a webhook's id is 1 to 256 visible ASCII characters without a full stop")]
    Id,
    /// No secret, or too many.
    #[error("a webhook is signed with 1 to 8 secrets")]
    Secrets,
}

impl SignError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Id => "webhook_id_invalid",
            Self::Secrets => "webhook_secrets_invalid",
        }
    }
}

/// Why a delivery is not to be believed. The cases are for the receiver's log: the sender is told 401 and nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// An id that nobody signs.
    #[error("webhook-id is not 1 to 256 visible ASCII characters without a full stop")]
    Id,
    /// A timestamp that is no whole number of seconds.
    #[error("webhook-timestamp is not a whole number of seconds")]
    Timestamp,
    /// Sent again after a time, or by a clock that is wrong.
    #[error("webhook-timestamp is older than the tolerance")]
    TooOld,
    /// From a clock that is ahead.
    #[error("webhook-timestamp is further in the future than the tolerance")]
    TooNew,
    /// No signature is by a secret that is known here.
    #[error("no signature in webhook-signature is by a known secret")]
    NoMatch,
}

impl VerifyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Id => "webhook_id_invalid",
            Self::Timestamp => "webhook_timestamp_invalid",
            Self::TooOld => "webhook_too_old",
            Self::TooNew => "webhook_too_new",
            Self::NoMatch => "webhook_signature_mismatch",
        }
    }
}

/// The headers as they came: a missing one is an empty text.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

/// A full stop in an id would let `a.1` at 2 and `a` at `1.2` sign the same bytes.
fn is_id(id: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

/// The value of `webhook-signature`: a signature by each of the secrets.
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: u64, body: &[u8]) -> Result<String, SignError> {
    if !is_id(id) {
        return Err(SignError::Id);
    }
    if !(1..=SIGNATURES_MAX).contains(&secrets.len()) {
        return Err(SignError::Secrets);
    }
    let one = |secret: &Secret| format!("{VERSION}{}", STANDARD.encode(secret.mac(id, timestamp_s, body)));
    Ok(secrets.iter().map(one).collect::<Vec<_>>().join(" "))
}

/// Whether the delivery is by somebody who knows one of the secrets, and signed within `tolerance_s` of `now_s`.
///
/// The signature is judged before the age, so that who cannot sign learns nothing of the clock; every pair of secret and signature is
/// compared, in constant time.
pub fn verify(
    secrets: &[Secret],
    headers: Headers<'_>,
    body: &[u8],
    now_s: u64,
    tolerance_s: u64,
) -> Result<(), VerifyError> {
    if !is_id(headers.id) {
        return Err(VerifyError::Id);
    }
    let timestamp_s = seconds(headers.timestamp).ok_or(VerifyError::Timestamp)?;
    let signatures: Vec<Vec<u8>> = headers
        .signature
        .split(' ')
        .filter_map(|signature| signature.strip_prefix(VERSION))
        .take(SIGNATURES_MAX)
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .collect();
    let mut fits = Choice::from(0);
    for secret in secrets {
        let expected = secret.mac(headers.id, timestamp_s, body);
        for signature in &signatures {
            fits |= expected.as_slice().ct_eq(signature);
        }
    }
    if !bool::from(fits) {
        return Err(VerifyError::NoMatch);
    }
    if timestamp_s.saturating_add(tolerance_s) < now_s {
        return Err(VerifyError::TooOld);
    }
    if now_s.saturating_add(tolerance_s) < timestamp_s {
        return Err(VerifyError::TooNew);
    }
    Ok(())
}

/// Only the one spelling that the sender signed: no sign, no leading zero.
fn seconds(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
