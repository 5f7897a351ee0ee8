//! Idempotency records of commands: who asks, under which key, for what.

use idempotency::{Fingerprint, IdempotencyKey};
use identity::{Principal, Tenant};
use ids::Id;
use sha2::{Digest as _, Sha256};

use crate::error::{Invalid, Wrong};
use crate::ledger::Claim;

/// Who asks, and under which key.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Who.
    pub principal: Principal,
    /// Under which key, if any.
    pub key: Option<IdempotencyKey>,
}

impl Asked {
    /// Refused without a key: what moves money must be safe to repeat.
    pub(crate) fn needs_key(self) -> Result<Self, Wrong> {
        if self.key.is_none() {
            return Err(Wrong::at("Idempotency-Key", Invalid::KeyMissing));
        }
        Ok(self)
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.principal.tenant
    }

    /// The record of this request.
    pub(super) fn claim(&self, fingerprint: Fingerprint, expires_at_ms: u64) -> Option<Claim> {
        self.key
            .as_ref()
            .map(|key| self.claim_under(key, fingerprint, expires_at_ms))
    }

    /// The record of a part of this request that has a key of its own: the same as if it had been asked by itself.
    pub(super) fn claim_under(
        &self,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
        expires_at_ms: u64,
    ) -> Claim {
        let parts = [
            "client",
            self.principal.tenant.as_str(),
            self.principal.user.as_str(),
            key.as_str(),
        ];
        Claim {
            key: digest(&parts),
            fingerprint,
            expires_at_ms,
        }
    }

    /// The record of a part of this request that has none: made of the request's key and its place, and nobody else's.
    pub(super) fn claim_of_part(
        &self,
        index: usize,
        fingerprint: Fingerprint,
        expires_at_ms: u64,
    ) -> Option<Claim> {
        let key = self.key.as_ref()?;
        let place = index.to_string();
        let parts = [
            "part",
            self.principal.tenant.as_str(),
            self.principal.user.as_str(),
            key.as_str(),
            &place,
        ];
        Some(Claim {
            key: digest(&parts),
            fingerprint,
            expires_at_ms,
        })
    }
}

/// The record of a command that nobody outside asked for; the same name is the same command.
pub(crate) fn internal_claim(tenant: &Tenant, name: &str, expires_at_ms: u64) -> Claim {
    Claim {
        key: digest(&["internal", tenant.as_str(), name]),
        fingerprint: Fingerprint::of("internal", name, b""),
        expires_at_ms,
    }
}

/// The record of a command that came without one, so that it can be settled: its id is its own.
pub(super) fn claim_of_id(tenant: &Tenant, id: Id, expires_at_ms: u64) -> Claim {
    internal_claim(tenant, &format!("id/{id}"), expires_at_ms)
}

/// Each part goes in with its length, so that no two different lists run together into the same bytes.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use identity::{Scopes, User};

    use super::*;

    fn asked(tenant: &str, user: &str, key: &str) -> Asked {
        Asked {
            principal: Principal {
                tenant: Tenant::parse(tenant).unwrap(),
                user: User::parse(user).unwrap(),
                scopes: Scopes::none(),
            },
            key: Some(IdempotencyKey::parse(key).unwrap()),
        }
    }

    #[test]
    fn a_key_belongs_to_one_user_of_one_tenant_and_to_one_place_in_a_batch() {
        let print = Fingerprint::of("POST", "/v1/transfers", b"{}");
        let mut keys = std::collections::HashSet::new();
        for asked in [
            asked("acme", "ada", "k"),
            asked("acme", "bob", "k"),
            asked("other", "ada", "k"),
            asked("acme", "ada", "k2"),
            asked("acme", "adak", "k"),
        ] {
            assert!(keys.insert(asked.claim(print, 1).unwrap().key));
            assert!(keys.insert(asked.claim_of_part(0, print, 1).unwrap().key));
            assert!(keys.insert(asked.claim_of_part(1, print, 1).unwrap().key));
        }
        let acme = Tenant::parse("acme").unwrap();
        assert!(keys.insert(internal_claim(&acme, "k", 1).key));
        assert_eq!(
            asked("acme", "ada", "k").claim(print, 1).unwrap().key,
            asked("acme", "ada", "k").claim(print, 2).unwrap().key
        );
    }
}
