//! Link passwords: hashed and checked with Argon2id (RFC 9106), on blocking threads and few at a time, for each takes memory and
//! a core for milliseconds, and anybody may send one.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PasswordSettings;
use crate::link::PasswordHash;

/// The most a hash from elsewhere may ask of us: 256 MiB, 16 passes, 8 lanes.
const MEMORY_KIB_MAX: u32 = 64 * 1_024;
const PASSES_MAX: u32 = 4;
const LANES_MAX: u32 = 4;
/// As RFC 9106 recommends.
const SALT_BYTES: usize = 16;

/// Why a password was neither hashed nor checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// As many wait as may.
    #[error("too many passwords wait to be checked")]
    Busy,
    /// The library refused, or its thread died: a defect of ours.
    #[error("a password could not be hashed")]
    Failed,
}

impl PasswordError {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "passwords_busy",
            Self::Failed => "password_failed",
        }
    }

    /// Whether the same may work later.
    pub fn retryable(self) -> bool {
        self == Self::Busy
    }
}

/// Hashes and checks passwords.
pub struct Passwords {
    argon: Argon2<'static>,
    /// Checked in place of a hash that is not there, so that its absence does not show in how long an answer takes.
    decoy: PasswordHash,
    /// Who works or waits.
    places: Arc<Semaphore>,
    /// Who works.
    turns: Arc<Semaphore>,
    checks: Counter,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Passwords(..)")
    }
}

impl Passwords {
    /// `None` when the numbers are outside of what Argon2 takes, or of what a hash may cost.
    pub fn new(settings: &PasswordSettings) -> Option<Self> {
        let params = Params::new(settings.memory_kib, settings.passes, 1, None).ok()?;
        if settings.memory_kib > MEMORY_KIB_MAX || settings.passes > PASSES_MAX {
            return None;
        }
        let at_once = settings.at_once_max.max(1) as usize;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        Some(Self {
            argon,
            decoy: decoy(&params)?,
            places: Arc::new(Semaphore::new(at_once + settings.waiting_max as usize)),
            turns: Arc::new(Semaphore::new(at_once)),
            checks: Counter::default(),
        })
    }

    /// Checks are counted there.
    #[must_use]
    pub fn counting(mut self, checks: Counter) -> Self {
        self.checks = checks;
        self
    }

    /// Hashes a new password under a salt of its own.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash, PasswordError> {
        let (argon, password) = (self.argon.clone(), password.to_owned());
        let hash = move || {
            let salt: [u8; SALT_BYTES] = rand::random();
            let hash: phc::PasswordHash = argon.hash_password_with_salt(password.as_bytes(), &salt).ok()?;
            Some(PasswordHash(hash.to_string()))
        };
        self.in_turn(hash).await?.ok_or(PasswordError::Failed)
    }

    /// Whether this is the password. With nothing to check against it is not, after the same work.
    pub async fn matches(&self, password: &str, hash: Option<&PasswordHash>) -> Result<bool, PasswordError> {
        let (known, argon) = (hash.is_some(), self.argon.clone());
        let (hash, password) = (hash.unwrap_or(&self.decoy).clone(), password.to_owned());
        self.checks.inc();
        let check = move || {
            argon
                .verify_password(password.as_bytes(), hash.0.as_str())
                .is_ok()
        };
        // A password may be the decoy's only by a collision; still, nothing opens what is not there.
        Ok(self.in_turn(check).await? && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| PasswordError::Failed)?;
        // The places go along: whoever stops waiting does not stop the work.
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop::<[OwnedSemaphorePermit; 2]>([place, turn]);
            done
        });
        task.await.map_err(|_| PasswordError::Failed)
    }
}

/// A hash of these costs that nobody knows the password of; made up, not computed, so that a start costs nothing.
fn decoy(params: &Params) -> Option<PasswordHash> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params.try_into().ok()?,
        salt: Some(phc::Salt::new(&rand::random::<[u8; SALT_BYTES]>()).ok()?),
        hash: Some(phc::Output::new(&rand::random::<[u8; Params::DEFAULT_OUTPUT_LEN]>()).ok()?),
    };
    Some(PasswordHash(hash.to_string()))
}

/// A hash that was made elsewhere, such as an imported one: Argon2id in PHC form, of a cost that checking it may have.
pub(crate) fn parse_hash(text: &str) -> Option<PasswordHash> {
    const BYTES_MAX: usize = 256;
    if text.len() > BYTES_MAX {
        return None;
    }
    let hash = phc::PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let bearable =
        params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX && params.p_cost() <= LANES_MAX;
    let whole = hash.algorithm == Algorithm::Argon2id.ident() && hash.salt.is_some() && hash.hash.is_some();
    (bearable && whole).then(|| PasswordHash(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> PasswordSettings {
        PasswordSettings {
            memory_kib: 64,
            passes: 1,
            ..PasswordSettings::default()
        }
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_nothing_matches_what_is_not_there() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let hash = passwords.hash("open sesame").await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", hash.0);
        assert_eq!(passwords.matches("open sesame", Some(&hash)).await, Ok(true));
        for wrong in ["", "open sesam", "Open sesame", "open sesame "] {
            assert_eq!(passwords.matches(wrong, Some(&hash)).await, Ok(false), "{wrong}");
        }
        assert_eq!(passwords.matches("open sesame", None).await, Ok(false));
        let again = passwords.hash("open sesame").await.unwrap();
        assert_ne!(again, hash, "each has a salt of its own");
    }

    #[test]
    fn the_decoy_costs_what_a_hash_costs() {
        let settings = PasswordSettings::default();
        let decoy = Passwords::new(&settings).unwrap().decoy.0;
        assert!(decoy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{decoy}");
        assert!(parse_hash(&decoy).is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_finds_every_place_taken_is_refused_at_once_and_the_rest_are_served() {
        let settings = PasswordSettings {
            at_once_max: 1,
            waiting_max: 2,
            ..cheap()
        };
        let passwords = Arc::new(Passwords::new(&settings).unwrap());
        // Whoever is at work holds the only turn until it is given back here.
        let working = Arc::clone(&passwords.turns).acquire_owned().await.unwrap();
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let passwords = Arc::clone(&passwords);
            tries.spawn(async move { passwords.matches("x", None).await });
        }
        for _ in 0..5 {
            assert_eq!(
                tries.join_next().await.unwrap().unwrap(),
                Err(PasswordError::Busy)
            );
        }
        drop(working);
        assert_eq!(tries.join_all().await, [Ok(false); 3]);
    }

    #[test]
    fn a_hash_from_elsewhere_is_argon2id_of_a_bearable_cost() {
        let (salt, hash) = (
            "c29tZXNhbHRzb21lc2FsdA",
            "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE",
        );
        let of = |head: &str| parse_hash(&format!("{head}${salt}${hash}"));
        assert!(of("$argon2id$v=19$m=65536,t=3,p=4").is_some());
        for head in [
            "$argon2i$v=19$m=65536,t=3,p=4",
            "$argon2id$v=19$m=4194304,t=3,p=4",
            "$argon2id$v=19$m=65536,t=1000,p=1",
            "$scrypt$ln=16,r=8,p=1",
        ] {
            assert_eq!(of(head), None, "{head}");
        }
        for text in ["", "secret", "$argon2id$v=19$m=65536,t=3,p=4", &"$".repeat(1_000)] {
            assert_eq!(parse_hash(text), None, "{text}");
        }
    }

    #[test]
    fn costs_that_argon2_does_not_take_are_refused() {
        for (memory_kib, passes) in [(0, 1), (64, 0), (u32::MAX, 1), (64, 1_000)] {
            let settings = PasswordSettings {
                memory_kib,
                passes,
                ..cheap()
            };
            assert!(
                Passwords::new(&settings).is_none(),
                "{memory_kib} KiB, {passes} passes"
            );
        }
    }
}
