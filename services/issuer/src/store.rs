//! What the issuer must remember: signing keys, authorization codes, who it is, and (in [`Registry`]) who its clients are.

mod postgres;
mod registry;
mod rows;
mod sqlite;
mod statements;

use async_trait::async_trait;
use identity::{Scopes, Tenant, User};

pub use crate::signing_keys::KeyRecord;
pub use postgres::PostgresStore;
pub use registry::{ApiKeyRecord, ClientRecord, Put, Registry, TenantRecord};
pub use sqlite::SqliteStore;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did nothing: busy, full, out of reach.
    #[error("the issuer's database (issuer.database_url) is unavailable ({code}): {detail}")]
    Unavailable {
        /// The engine's own code.
        code: &'static str,
        /// For the operator.
        detail: String,
        /// Whether waiting may help.
        retryable: bool,
    },
    /// The write may or may not stand.
    #[error("the outcome of a write to the issuer's database is unknown: {0}")]
    Unknown(String),
    /// What is stored makes no sense.
    #[error("the issuer's database holds {0}")]
    Damaged(&'static str),
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { code, .. } => code,
            Self::Unknown(_) => "outcome_unknown",
            Self::Damaged(_) => "store_damaged",
        }
    }

    /// Whether waiting may help, even if it is not certain that nothing was done.
    pub(crate) fn may_pass(&self) -> bool {
        self.retryable() || self.is_unknown()
    }

    /// Whether the engine refused a statement for what it says: a column that is not there (any more).
    pub(crate) fn is_defect(&self) -> bool {
        self.code() == "sql_unexpected"
    }

    /// Whether the write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether the same call may succeed later and certainly did nothing so far.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable { retryable: true, .. })
    }
}

impl From<sql::SqlError> for StoreError {
    fn from(error: sql::SqlError) -> Self {
        let (code, retryable, detail) = (error.code(), error.retryable(), error.to_string());
        if error.is_unknown() {
            Self::Unknown(detail)
        } else {
            Self::Unavailable {
                code,
                detail,
                retryable,
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        sql::SqlError::from(error).into()
    }
}

/// SHA-256 of an authorization code: the code itself is never stored.
pub type CodeHash = [u8; 32];

/// What an authorization code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who asked.
    pub client_id: String,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The S256 challenge: base64url of the SHA-256 of the verifier.
    pub challenge: String,
    /// Whose token it will be: tenant.
    pub tenant: Tenant,
    /// Whose token it will be: user.
    pub user: User,
    /// What it will allow.
    pub scopes: Scopes,
    /// Goes into the ID token.
    pub nonce: Option<String>,
    /// Not exchangeable from then on (unix ms). Judged by the caller, against its clock.
    pub expires_ms: u64,
}

/// Who the issuer is, for `orrery token` while the platform is not running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` of its access tokens.
    pub audience: String,
}

/// Keys and codes. Every call is one atomic step: of two that race, one is first and the other sees its effect. What returned
/// `Ok` outlives a crash. After [`StoreError::Unknown`] the step may or may not have happened; every method may be repeated then,
/// except that a repeated [`Store::take_code`] can find the code gone.
#[async_trait]
pub trait Store: Registry {
    /// All keys, ordered by `use_from_ms`.
    async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError>;

    /// Adds a key if `after` is still the newest (`None`: if there is no key), and says whether it did. Of racing appends
    /// with the same `after`, exactly one does. `key.use_from_ms` must be later than the newest's, else nothing is added.
    async fn append_key(&self, after: Option<&str>, key: &KeyRecord) -> Result<bool, StoreError>;

    /// Deletes a key, unless it is the newest.
    async fn remove_key(&self, kid: &str) -> Result<(), StoreError>;

    /// Keeps a code, unless `codes_max` are kept already; says whether it did.
    async fn put_code(&self, code: &CodeHash, grant: &Grant, codes_max: u32) -> Result<bool, StoreError>;

    /// Takes a code away and gives what it stood for, expired or not. Of racing takers exactly one gets it.
    async fn take_code(&self, code: &CodeHash) -> Result<Option<Grant>, StoreError>;

    /// Deletes the codes that expired at `now_ms` or before, and says how many.
    async fn forget_codes(&self, now_ms: u64) -> Result<u64, StoreError>;

    /// Who the issuer is, if it ever ran.
    async fn identity(&self) -> Result<Option<Identity>, StoreError>;

    /// Remembers who the issuer is.
    async fn set_identity(&self, identity: &Identity) -> Result<(), StoreError>;

    /// Whether it can be written right now; the error is for the operator.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Gives its connections back; what is asked later is refused.
    async fn close(&self);
}
