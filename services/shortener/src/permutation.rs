//! A keyed permutation of `0..size`: the reason why codes need no collision check and cannot be guessed.
//!
//! A balanced Feistel network over the next even number of bits, with cycle walking back into the domain (Black and
//! Rogaway, "Ciphers with Arbitrary Finite Domains", 2002); the round function is HMAC-SHA256, ten rounds as in NIST
//! SP 800-38G (FF1). Whatever the round function, a Feistel network is a bijection, and walking a cycle of a bijection until
//! it re-enters a subset is a bijection of that subset. Without the key the next value is as good as random.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const ROUNDS: u8 = 10;

/// A secret key of 32 bytes.
#[derive(Clone)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh key from the operating system's generator.
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Tells keys apart without giving them away; kept in the store so that a changed key is noticed at start.
    pub fn fingerprint(&self) -> String {
        let mut mac = self.mac();
        mac.update(b"orrery shortener code key fingerprint");
        hex::encode(&mac.finalize().into_bytes()[..16])
    }

    /// Another secret for another purpose; it gives away neither this one nor that of a further purpose.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut mac = self.mac();
        mac.update(b"orrery shortener derived key: ");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("HMAC takes a key of any length")
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(***)")
    }
}

/// A bijection of `0..size` chosen by a key.
#[derive(Clone)]
pub struct Permutation {
    keyed: Hmac<Sha256>,
    size: u64,
    half_bits: u32,
}

impl Permutation {
    /// The permutation `key` chooses of `0..size`.
    ///
    /// # Panics
    /// When `size` is zero or above 2^62.
    pub fn new(key: &CodeKey, size: u64) -> Self {
        assert!(
            size > 0 && size <= 1 << 62,
            "the domain has at least one and at most 2^62 values"
        );
        let bits = u64::BITS - (size - 1).leading_zeros();
        Self {
            keyed: key.mac(),
            size,
            half_bits: bits.div_ceil(2).max(1),
        }
    }

    /// Where `value` goes.
    ///
    /// # Panics
    /// When `value` is not below the size.
    pub fn apply(&self, value: u64) -> u64 {
        assert!(
            value < self.size,
            "the counter stays below the size of the code space"
        );
        let mut walked = self.feistel(value);
        // The square of two halves is less than four times the domain, so this takes fewer than four steps on average.
        while walked >= self.size {
            walked = self.feistel(walked);
        }
        walked
    }

    /// What goes to `value`.
    ///
    /// # Panics
    /// When `value` is not below the size.
    pub fn invert(&self, value: u64) -> u64 {
        assert!(value < self.size, "a code stays below the size of the code space");
        let mut walked = self.unfeistel(value);
        while walked >= self.size {
            walked = self.unfeistel(walked);
        }
        walked
    }

    fn unfeistel(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ (self.round(round, left) & mask), left);
        }
        (left << self.half_bits) | right
    }

    fn feistel(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.round(round, right) & mask));
        }
        (left << self.half_bits) | right
    }

    fn round(&self, round: u8, half: u64) -> u64 {
        let mut mac = self.keyed.clone();
        mac.update(&[round]);
        mac.update(&half.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::link::GENERATED_CODES;

    fn key(byte: u8) -> CodeKey {
        CodeKey::from_bytes([byte; 32])
    }

    #[test]
    fn what_was_permuted_is_found_again() {
        for size in [1, 2, 3, 10, 62, 1_000, 4_097, GENERATED_CODES] {
            let permutation = Permutation::new(&key(7), size);
            for value in (0..size).take(500).chain([size - 1, size / 2]) {
                assert_eq!(
                    permutation.invert(permutation.apply(value)),
                    value,
                    "{value} of {size}"
                );
            }
        }
    }

    #[test]
    fn every_value_of_a_small_domain_is_hit_exactly_once() {
        for size in [1, 2, 3, 10, 62, 63, 64, 65, 620, 1_000, 4_096, 4_097] {
            let permutation = Permutation::new(&key(7), size);
            let mut seen = vec![false; usize::try_from(size).unwrap()];
            for value in 0..size {
                let place = usize::try_from(permutation.apply(value)).unwrap();
                assert!(
                    !std::mem::replace(&mut seen[place], true),
                    "{place} twice in a domain of {size}"
                );
            }
        }
    }

    #[test]
    fn neighbours_of_the_real_domain_stay_inside_it_and_differ() {
        let permutation = Permutation::new(&key(7), GENERATED_CODES);
        let starts = [0, 1_000_000, GENERATED_CODES / 2, GENERATED_CODES - 2_000];
        let values: HashSet<u64> = starts
            .iter()
            .flat_map(|start| *start..start + 2_000)
            .map(|value| permutation.apply(value))
            .collect();
        assert_eq!(values.len(), 8_000);
        assert!(values.iter().all(|value| *value < GENERATED_CODES));
    }

    #[test]
    fn neighbours_land_far_apart() {
        let permutation = Permutation::new(&key(7), GENERATED_CODES);
        let near = (0..1_000).filter(|value| {
            permutation.apply(*value).abs_diff(permutation.apply(value + 1)) < GENERATED_CODES / 1_000
        });
        // By chance about two in a thousand land within a thousandth of the space on either side.
        assert!(near.count() < 12);
    }

    #[test]
    fn another_key_is_another_permutation_and_another_fingerprint() {
        let (one, other) = (
            Permutation::new(&key(1), GENERATED_CODES),
            Permutation::new(&key(2), GENERATED_CODES),
        );
        assert!(
            (0..100)
                .filter(|value| one.apply(*value) == other.apply(*value))
                .count()
                < 2
        );
        assert_ne!(key(1).fingerprint(), key(2).fingerprint());
        assert!(!key(1).to_hex().contains(&key(1).fingerprint()));
    }

    #[test]
    fn the_mapping_never_changes_between_versions() {
        // Codes already handed out would be handed out again if this did.
        let permutation = Permutation::new(&key(42), GENERATED_CODES);
        let first: Vec<u64> = (0..3).map(|value| permutation.apply(value)).collect();
        assert_eq!(
            first,
            [42_854_662_144, 418_895_826_414, 424_046_634_056],
            "computed by another program"
        );
    }

    #[test]
    fn a_key_survives_its_hexadecimal_form_and_hides_in_debug_output() {
        let key = CodeKey::generate();
        assert_eq!(
            CodeKey::from_hex(&format!("{}\n", key.to_hex())).unwrap().0,
            key.0
        );
        assert!(CodeKey::from_hex("abc").is_none());
        assert!(CodeKey::from_hex(&"+1".repeat(32)).is_none());
        assert_eq!(format!("{key:?}"), "CodeKey(***)");
    }
}
