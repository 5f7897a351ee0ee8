//! A bounded memory of tokens that verified, so that a client's hundredth request costs a hash and not a signature
//! check. Only valid tokens get in, so nobody can fill it with rubbish.

use std::collections::HashMap;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use crate::Principal;

/// SHA-256 of a token: the memory holds no token that could leak.
pub(crate) type TokenHash = [u8; 32];

#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    /// Asked again on every hit: a retired key ends the tokens it signed, remembered or not.
    pub(crate) kid: String,
    pub(crate) valid_from_s: u64,
    pub(crate) exp_s: u64,
}

#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    entries_max: usize,
    entries: Mutex<HashMap<TokenHash, Verified>>,
}

pub(crate) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

impl VerifiedTokens {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            entries: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, token: &TokenHash) -> Option<Verified> {
        self.lock().get(token).cloned()
    }

    pub(crate) fn forget(&self, token: &TokenHash) {
        self.lock().remove(token);
    }

    /// Remembers a token; when full, first forgets the expired ones, then any quarter (each is at most 15 minutes from
    /// being worthless, so which ones matters little).
    pub(crate) fn put(&self, token: TokenHash, verified: Verified, now_s: u64) {
        let mut entries = self.lock();
        if entries.len() >= self.entries_max {
            entries.retain(|_, known| known.exp_s > now_s);
        }
        if entries.len() >= self.entries_max {
            let spare: Vec<TokenHash> = entries
                .keys()
                .take(self.entries_max.div_ceil(4))
                .copied()
                .collect();
            for token in &spare {
                entries.remove(token);
            }
        }
        if entries.len() < self.entries_max {
            entries.insert(token, verified);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenHash, Verified>> {
        self.entries
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scopes, Tenant, User};

    fn entry(exp_s: u64) -> Verified {
        let principal = Principal {
            tenant: Tenant::parse("acme").unwrap(),
            user: User::parse("ada").unwrap(),
            scopes: Scopes::none(),
        };
        Verified {
            principal,
            kid: "k".into(),
            valid_from_s: 0,
            exp_s,
        }
    }

    #[test]
    fn the_memory_never_grows_past_its_limit() {
        let tokens = VerifiedTokens::new(100);
        for i in 0..1_000 {
            tokens.put(hash(&i.to_string()), entry(10), 5);
            assert!(tokens.lock().len() <= 100);
        }
        assert!(tokens.get(&hash("999")).is_some());
    }

    #[test]
    fn expired_tokens_make_room_before_live_ones() {
        let tokens = VerifiedTokens::new(10);
        (0..9).for_each(|i| tokens.put(hash(&i.to_string()), entry(4), 3));
        tokens.put(hash("live"), entry(100), 3);
        tokens.put(hash("new"), entry(100), 5);
        assert!(tokens.get(&hash("live")).is_some() && tokens.get(&hash("new")).is_some());
        assert_eq!(tokens.lock().len(), 2);
    }

    #[test]
    fn a_limit_of_zero_remembers_nothing() {
        let tokens = VerifiedTokens::new(0);
        tokens.put(hash("t"), entry(10), 5);
        assert!(tokens.get(&hash("t")).is_none());
    }
}
