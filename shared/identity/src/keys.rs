//! Keys: the private one that signs, and the public set (RFC 7517, RFC 8037) that is published.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::claims::{Claims, IdClaims, TOKEN_LIFETIME_S_MAX};
use crate::eddsa;
use crate::error::KeyError;

/// An Ed25519 key that signs tokens. `Debug` shows its id only.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    x: String,
    pkcs8: EncodingKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key out of the system's randomness.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe could follow.
    pub fn generate() -> Self {
        let mut seed = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut seed)
            .expect("the operating system gives randomness");
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        Self::from_key(&key).expect("a fresh Ed25519 key has a PKCS#8 form")
    }

    /// Reads a stored key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(der).map_err(|_| KeyError::Unreadable)?;
        Self::from_key(&key)
    }

    fn from_key(key: &ed25519_dalek::SigningKey) -> Result<Self, KeyError> {
        eddsa::install();
        let der = key.to_pkcs8_der().map_err(|_| KeyError::Unreadable)?;
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        Ok(Self {
            kid: thumbprint(&x),
            x,
            pkcs8: EncodingKey::from_ed_der(der.as_bytes()),
        })
    }

    /// The form to store (PKCS#8, DER). Secret: never log it.
    pub fn to_pkcs8_der(&self) -> Vec<u8> {
        self.pkcs8.as_bytes().to_vec()
    }

    /// The key's id: its RFC 7638 thumbprint, so the same key has the same id wherever it is computed.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, to be published.
    pub fn public_jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            alg: Some("EdDSA".to_owned()),
            key_use: Some("sig".to_owned()),
            kid: Some(self.kid.clone()),
            x: Some(self.x.clone()),
        }
    }

    /// Signs an access token; refuses one that would live longer than [`TOKEN_LIFETIME_S_MAX`].
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        check_lifetime(claims.iat, claims.exp)?;
        self.sign_as("at+jwt", claims)
    }

    /// Signs an ID token; refuses one that would live longer than [`TOKEN_LIFETIME_S_MAX`].
    pub fn sign_id(&self, claims: &IdClaims) -> Result<String, KeyError> {
        check_lifetime(claims.iat, claims.exp)?;
        self.sign_as("JWT", claims)
    }

    fn sign_as<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.pkcs8).map_err(|_| KeyError::Claims)
    }
}

fn check_lifetime(iat: u64, exp: u64) -> Result<(), KeyError> {
    match exp.checked_sub(iat) {
        Some(1..=TOKEN_LIFETIME_S_MAX) => Ok(()),
        _ => Err(KeyError::Lifetime),
    }
}

/// RFC 7638: the SHA-256 of the required members in lexical order, without white space.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

/// A published key. Reads any kind of key, so that a foreign issuer's RSA keys beside ours do no harm; only
/// Ed25519 keys with an id are ever used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The key type: `OKP` for Ed25519.
    pub kty: String,
    /// The curve: `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The algorithm: `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// What it is for: `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// The key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The public key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
}

impl Jwk {
    /// Id and key bytes, if this is an Ed25519 signature key with an id and a valid point.
    pub(crate) fn ed25519(&self) -> Option<(&str, [u8; 32])> {
        let fits = self.kty == "OKP"
            && self.crv.as_deref() == Some("Ed25519")
            && matches!(self.alg.as_deref(), None | Some("EdDSA" | "Ed25519"))
            && matches!(self.key_use.as_deref(), None | Some("sig"));
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(self.x.as_deref()?).ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&bytes).ok()?;
        fits.then_some((self.kid.as_deref()?, bytes))
    }
}

/// A published key set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys; order means nothing.
    pub keys: Vec<Jwk>,
}

impl Jwks {
    /// The set of the public halves of `keys`.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        Self {
            keys: keys.into_iter().map(SigningKey::public_jwk).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_comes_back_with_the_same_id() {
        let key = SigningKey::generate();
        let again = SigningKey::from_pkcs8_der(&key.to_pkcs8_der()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert_eq!(again.public_jwk(), key.public_jwk());
        assert!(matches!(
            SigningKey::from_pkcs8_der(b"no key"),
            Err(KeyError::Unreadable)
        ));
    }

    #[test]
    fn the_id_is_the_thumbprint_of_rfc_8037_appendix_a() {
        assert_eq!(
            thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn debug_output_shows_no_key() {
        let key = SigningKey::generate();
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    }

    #[test]
    fn keys_of_other_kinds_are_read_but_never_used() {
        let set: Jwks = serde_json::from_str(
            r#"{"keys":[{"kty":"RSA","kid":"a","n":"x","e":"AQAB"},{"kty":"OKP","crv":"X25519","kid":"b","x":"AA"},
                {"kty":"OKP","crv":"Ed25519","kid":"c","x":"AA"}]}"#,
        )
        .unwrap();
        assert!(set.keys.iter().all(|key| key.ed25519().is_none()));
    }
}
