#![doc = include_str!("../README.md")]

mod claims;
mod eddsa;
mod error;
mod key_ring;
mod keys;
mod names;
mod scopes;
pub mod secret_file;
mod verified;
mod verifier;

pub use claims::{Claims, IdClaims, TOKEN_LIFETIME_S_MAX};
pub use error::{FetchKeysError, InvalidName, KeyError, VerifyError};
pub use key_ring::{FetchKeys, StaticKeys};
pub use keys::{Jwk, Jwks, SigningKey};
pub use names::{NAME_BYTES_MAX, Tenant, User};
pub use scopes::{
    CONSOLE_READ, LEDGER_READ, LEDGER_WRITE, LINKS_READ, LINKS_WRITE, PAYMENTS_READ, PAYMENTS_WRITE,
    SCOPE_BYTES_MAX, SCOPES_MAX, Scopes,
};
pub use verifier::{Verifier, VerifierSettings};

/// Who is asking, as a verified token says: the tenant that every key and query carries, the user in it, and
/// what the token allows. Cheap to clone: three reference counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The tenant; part of every key and query.
    pub tenant: Tenant,
    /// The user: the `sub` of the token.
    pub user: User,
    /// What the token allows.
    pub scopes: Scopes,
}

impl Principal {
    /// Whether the token allows `scope`, e.g. [`LINKS_WRITE`].
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}
