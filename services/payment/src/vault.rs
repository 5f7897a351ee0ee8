//! Keys in keys. What is known of a person is sealed by a key of that person, which is wrapped by a key of the tenant, which is wrapped
//! by the master key, which no database holds. Dropping a person's key erases the person, wherever the sealed bytes alone were
//! copied to (a copy of the whole database from before has the wrapped keys too, and opens with the master key); a tenant's key is
//! rotated by wrapping the persons' keys anew, without touching a record.
//!
//! AES-256-GCM throughout, with a random nonce of 96 bits in front. What belongs where is bound as associated data: bytes that were moved
//! to another person, tenant or record do not open.

mod master;
mod payers;

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

pub use master::{MasterKeyError, open_master};
pub use payers::{Opened, RECORD_BYTES_MAX, Rotated, VAULT_NAME_BYTES_MAX, Vault, VaultError};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Bytes that sealing adds: nonce and tag.
pub const SEALED_BYTES_MORE: usize = NONCE_LEN + 16;

/// What is sealed does not open: another key, another place, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open with the key and in the place they are said to belong to")]
pub struct NotOpened;

impl NotOpened {
    /// The stable code.
    pub fn code(self) -> &'static str {
        "vault_not_opened"
    }
}

/// Where sealed bytes belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A tenant's key, of this version.
    TenantKey(&'a str, u32),
    /// A person's key, of this generation. It may be wrapped by any version of the tenant's.
    PersonKey(&'a str, &'a str, u32),
    /// A person's record of this name.
    Record(&'a str, &'a str, &'a str),
    /// The secret of a tenant's webhook endpoint.
    WebhookSecret(&'a str, u64),
}

impl Place<'_> {
    /// Each part with its length, so that no two places share their bytes.
    fn bytes(&self) -> Vec<u8> {
        let numbers: [String; 1];
        let parts: [&str; 4] = match *self {
            Self::TenantKey(tenant, version) => {
                numbers = [version.to_string()];
                ["tenant key", tenant, &numbers[0], ""]
            }
            Self::PersonKey(tenant, person, generation) => {
                numbers = [generation.to_string()];
                ["person key", tenant, person, &numbers[0]]
            }
            Self::Record(tenant, person, name) => ["record", tenant, person, name],
            Self::WebhookSecret(tenant, endpoint) => {
                numbers = [endpoint.to_string()];
                ["webhook secret", tenant, &numbers[0], ""]
            }
        };
        let mut bytes = b"orrery payment vault 1".to_vec();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// A key that seals and opens. Its bytes show nowhere.
#[derive(Clone)]
pub struct VaultKey([u8; KEY_BYTES]);

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(***)")
    }
}

impl VaultKey {
    /// A new one from the system's randomness.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(crate) fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Tells keys apart and says nothing about them.
    pub(crate) fn fingerprint(&self) -> String {
        use sha2::Digest as _;
        let digest = sha2::Sha256::new()
            .chain_update(b"orrery payment vault fingerprint")
            .chain_update(self.0)
            .finalize();
        hex::encode(&digest[..8])
    }

    /// Seals bytes for their place.
    ///
    /// # Panics
    /// Never: a message in memory is shorter than AES-GCM's limit.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut sealed = Vec::with_capacity(plain.len() + SEALED_BYTES_MORE);
        sealed.extend_from_slice(plain);
        self.key()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.bytes()),
                &mut sealed,
            )
            .expect("a message in memory is shorter than AES-GCM's limit of 64 GiB");
        sealed.splice(..0, nonce);
        sealed
    }

    /// Opens what was sealed for that place.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened)?;
        let mut opened = sealed.to_vec();
        let plain = self
            .key()
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.bytes()),
                &mut opened,
            )
            .map_err(|_unspecified| NotOpened)?;
        Ok(plain.to_vec())
    }

    /// A new key, and it wrapped by this one.
    pub fn wrap_new(&self, place: Place<'_>) -> (Self, Vec<u8>) {
        let key = Self::generate();
        let wrapped = self.wrap(place, &key);
        (key, wrapped)
    }

    /// A key wrapped by this one.
    pub fn wrap(&self, place: Place<'_>, key: &Self) -> Vec<u8> {
        self.seal(place, &key.0)
    }

    /// The key that was wrapped by this one.
    pub fn unwrap_key(&self, place: Place<'_>, wrapped: &[u8]) -> Result<Self, NotOpened> {
        let bytes = self.open(place, wrapped)?;
        Ok(Self(bytes.try_into().map_err(|_length| NotOpened)?))
    }

    fn key(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &self.0).expect("the key has the algorithm's length");
        LessSafeKey::new(key)
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place::Record("acme", "ada", "payer");

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else() {
        let key = VaultKey::generate();
        let sealed = key.seal(HERE, b"Ada Lovelace");
        assert_eq!(key.open(HERE, &sealed).unwrap(), b"Ada Lovelace");
        assert_eq!(sealed.len(), "Ada Lovelace".len() + SEALED_BYTES_MORE);
        for place in [
            Place::Record("acme", "bob", "payer"),
            Place::Record("bcme", "ada", "payer"),
            Place::Record("acme", "ada", "payer2"),
            Place::Record("acmea", "da", "payer"),
            Place::PersonKey("acme", "ada", 1),
        ] {
            assert_eq!(key.open(place, &sealed), Err(NotOpened), "{place:?}");
        }
        assert_eq!(VaultKey::generate().open(HERE, &sealed), Err(NotOpened));
    }

    #[test]
    fn a_bit_changed_anywhere_is_seen() {
        let key = VaultKey::generate();
        let sealed = key.seal(HERE, b"ada@example.com");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key.open(HERE, &changed), Err(NotOpened), "byte {place}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(HERE, &sealed[..length]), Err(NotOpened));
        }
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let key = VaultKey::generate();
        assert_ne!(key.seal(HERE, b"ada"), key.seal(HERE, b"ada"));
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_shows_nowhere() {
        let key = VaultKey::generate();
        let hex = key.to_hex();
        assert_eq!(VaultKey::from_hex(&hex).unwrap().fingerprint(), key.fingerprint());
        assert!(!format!("{key:?}").contains(&hex[..8]));
        for wrong in [
            "",
            "ab",
            &hex[1..],
            &format!("{hex}0"),
            &format!("+1{}", &hex[2..]),
        ] {
            assert!(VaultKey::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
