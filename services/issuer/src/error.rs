//! What can go wrong in the issuer, and what a client is told of it.

use std::time::Duration;

use identity::{InvalidName, KeyError};
use problem::Problem;
use server::ServeError;

use crate::store::StoreError;

/// Everything that can go wrong outside a single sign-in.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// A setting that cannot be used.
    #[error("issuer.{setting}: {detail}")]
    Setting {
        /// Its name below `issuer.`.
        setting: &'static str,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// The listener can be reached from other machines.
    #[error("the issuer listens on {0}: it must be loopback, for anybody may sign in as anybody here")]
    NotLoopback(String),
    /// A token was asked for with a scope that nothing here asks for.
    #[error("there is no scope `{scope}`: known are {known}")]
    UnknownScope {
        /// The scope.
        scope: String,
        /// Those that there are.
        known: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key cannot be read, or the wanted token must not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A tenant, user or scope breaks the rules.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The housekeeping ended though nobody asked it to: keys would stay as they are until they are too old.
    #[error("the housekeeping of keys and codes ended: {0}")]
    Housekeeping(String),
    /// The HTTP server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl IssuerError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "setting_invalid",
            Self::NotLoopback(_) => "not_loopback",
            Self::UnknownScope { .. } => "unknown_scope",
            Self::Store(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Housekeeping(_) => "housekeeping_ended",
            Self::Serve(_) => "serve_failed",
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.retryable())
    }
}

/// What a client sees of a failure that is not its own: nothing of the inside.
impl From<IssuerError> for Problem {
    fn from(error: IssuerError) -> Self {
        match error {
            // The edge logs it, once, with this cause.
            IssuerError::Store(error) if error.may_pass() => {
                Self::unavailable("the issuer cannot reach its database", Duration::from_secs(1)).cause(error)
            }
            other => Self::internal(other),
        }
    }
}
