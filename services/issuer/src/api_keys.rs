//! What an API key looks like, and what is kept of it.
//!
//! ```text
//! ork_k7m2p5q3x4ab_9vM0…43 characters of base64url…
//!     id, visible  secret: 256 bits, shown once
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// What every key begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "ork_";
const ID_CHARS: usize = 12;
/// The base64url of 32 bytes.
const SECRET_CHARS: usize = 43;

/// A key as its owner holds it. It is shown once and never stored.
pub(crate) struct ApiKey {
    /// The visible part.
    pub(crate) id: String,
    /// All of it.
    pub(crate) text: String,
}

impl ApiKey {
    /// A new key: its secret is 256 random bits.
    pub(crate) fn generate() -> Self {
        let id = random_name::<ID_CHARS>();
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let text = format!("{PREFIX}{id}_{secret}");
        Self { id, text }
    }
}

/// The id inside a text that looks like a key.
pub(crate) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let plain = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (plain && id.len() == ID_CHARS && secret.len() == SECRET_CHARS).then_some(id)
}

/// The id of a new client: nothing to guess, nothing to keep secret.
pub(crate) fn client_id() -> String {
    format!("oc_{}", random_name::<16>())
}

/// Random characters, five bits each, that survive being read out.
fn random_name<const CHARS: usize>() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    rand::random::<[u8; CHARS]>()
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect()
}

/// The secret that keys are hashed with: whoever steals the database alone can neither use nor test a key.
#[derive(Clone)]
pub(crate) struct HashSecret {
    bytes: [u8; 32],
}

impl std::fmt::Debug for HashSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashSecret").finish_non_exhaustive()
    }
}

impl HashSecret {
    pub(crate) fn generate() -> Self {
        Self {
            bytes: rand::random(),
        }
    }

    /// 64 hexadecimal digits, with or without an end of line.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim_ascii(), &mut bytes).ok()?;
        Some(Self { bytes })
    }

    pub(crate) fn to_hex(&self) -> String {
        hex::encode(self.bytes)
    }

    /// Which secret this is; says nothing about it.
    pub(crate) fn id(&self) -> [u8; 8] {
        let mac = self.mac("secret id", b"");
        std::array::from_fn(|at| mac[at])
    }

    /// The hash of a key.
    pub(crate) fn hash(&self, key: &str) -> [u8; 32] {
        self.mac("api key", key.as_bytes())
    }

    /// Whether `key` has this hash, in a time that does not tell how nearly.
    pub(crate) fn matches(&self, key: &str, hash: &[u8; 32]) -> bool {
        self.hash(key).ct_eq(hash).into()
    }

    /// A secret of its own for the guard of sign-in forms, the same in every process of one issuer.
    pub(crate) fn for_forms(&self) -> [u8; 32] {
        self.mac("sign-in forms", b"")
    }

    fn mac(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        // Ends the purpose: no purpose and text together read like another's.
        mac.update(&[0]);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_itself_and_carries_256_bits_that_its_name_does_not_tell() {
        let (one, two) = (ApiKey::generate(), ApiKey::generate());
        assert_eq!(id_of(&one.text), Some(one.id.as_str()));
        assert_ne!(one.id, two.id);
        let secret = one.text.split(&format!("{}_", one.id)).nth(1).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(secret).unwrap().len(), 32);
        assert!(!two.text.contains(secret));
    }

    #[test]
    fn what_does_not_look_like_a_key_has_no_id() {
        let good = ApiKey::generate().text;
        for bad in [
            "",
            "ork_",
            "ork__",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}x"),
            &good.to_uppercase(),
            &good.replacen('_', "-", 2),
        ] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_hash_fits_its_key_under_its_secret_alone() {
        let (secret, other) = (HashSecret::generate(), HashSecret::generate());
        let key = ApiKey::generate().text;
        let hash = secret.hash(&key);
        assert!(secret.matches(&key, &hash));
        assert!(!other.matches(&key, &hash));
        assert!(!secret.matches(&ApiKey::generate().text, &hash));
        assert_ne!(secret.id(), other.id());
        assert_ne!(secret.for_forms(), secret.mac("api key", b""));
    }

    #[test]
    fn the_hash_is_hmac_sha256_and_stays_it() {
        // Made with another implementation: stored hashes must be readable by every later version.
        let secret = HashSecret::from_hex(&"0b".repeat(32)).unwrap();
        assert_eq!(hex(&secret.hash("ork_test")), PINNED);
    }

    const PINNED: &str = "d8c89d468445008e56127b560a3f610c83ea050245ba9490e09fefab21cfca02";

    fn hex(bytes: &[u8; 32]) -> String {
        HashSecret { bytes: *bytes }.to_hex()
    }

    #[test]
    fn a_secret_comes_back_from_its_file_and_nothing_else_does() {
        let secret = HashSecret::generate();
        let again = HashSecret::from_hex(&format!("{}\n", secret.to_hex())).unwrap();
        assert_eq!(again.id(), secret.id());
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(66)] {
            assert!(HashSecret::from_hex(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{secret:?}"), "HashSecret { .. }");
    }
}
