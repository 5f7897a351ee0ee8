//! What can go wrong in the issuer, and what a client is told of it.

use std::time::Duration;

use identity::{InvalidName, KeyError};
use problem::Problem;
use server::ServeError;

use crate::hash_secret::SecretError;
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
    /// The listener does not say where it listens.
    #[error("the issuer's listener has no address: {0}")]
    Listener(String),
    /// A token was asked for with a scope that nothing here asks for.
    #[error("there is no scope `{scope}`: known are {known}")]
    UnknownScope {
        /// The scope.
        scope: String,
        /// Those that there are.
        known: String,
    },
    /// A key that expires at once is a slip of the pen.
    #[error("a key that expires after 0 days is of no use: name 1 or more, or no expiry")]
    NoLife,
    /// What people are to call a tenant cannot be shown to them.
    #[error("a display name is 1 to {chars_max} characters, none of them a control character")]
    DisplayName {
        /// How long it may be.
        chars_max: usize,
    },
    /// There are as many as the settings allow.
    #[error("there are {limit} {what} already, and no more may be")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there are.
        limit: u32,
    },
    /// There is none by that name in that tenant.
    #[error("the tenant has no such {0}")]
    NoSuch(&'static str),
    /// A key was asked for that could not be used.
    #[error("the client {0} is disabled: enable it first, or name another")]
    ClientDisabled(String),
    /// The client stands already, with other scopes.
    #[error(
        "the client {client} is there already and may {scopes}: leave the scopes out, or name another client"
    )]
    ClientDiffers {
        /// Its name.
        client: String,
        /// What it may.
        scopes: String,
    },
    /// Somebody else changed the same rows meanwhile. Nothing was made.
    #[error("another process changed the same client meanwhile: try again")]
    Raced,
    /// There is no secret to hash API keys with, or not the right one.
    #[error(transparent)]
    Secret(#[from] SecretError),
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
            Self::Listener(_) => "listener",
            Self::UnknownScope { .. } => "unknown_scope",
            Self::NoLife => "key_without_life",
            Self::DisplayName { .. } => "display_name_invalid",
            Self::Full { .. } => "limit_reached",
            Self::NoSuch(_) => "not_found",
            Self::ClientDisabled(_) => "client_disabled",
            Self::ClientDiffers { .. } => "client_differs",
            Self::Raced => "raced",
            Self::Secret(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Housekeeping(_) => "housekeeping_ended",
            Self::Serve(_) => "serve_failed",
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.retryable(),
            Self::Secret(error) => error.retryable(),
            Self::Raced => true,
            _ => false,
        }
    }

    /// Whether a write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Store(error) => error.is_unknown(),
            Self::Secret(error) => error.is_unknown(),
            _ => false,
        }
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
