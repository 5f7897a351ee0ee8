use thiserror::Error;

use crate::error::LoadError;

/// Why a profile cannot be used, or a run of it could not begin.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// No profile ships under this name.
    #[error("there is no profile `{name}`; there are {known}, or give the path of a file")]
    NoSuch {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// It is not the YAML of a profile.
    #[error("the profile cannot be read: {0}")]
    Malformed(String),
    /// A field's value makes no sense.
    #[error("{place}: {reason}")]
    Senseless {
        /// Where: `operations.redirect.weight`.
        place: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A step of the setup was not answered as it expects.
    #[error("setup step `{step}` failed: {reason}; is the platform up, and is this its address?")]
    Setup {
        /// The step's name.
        step: String,
        /// What came instead.
        reason: String,
    },
    /// There is no token to send.
    #[error("no token: {0}")]
    Token(String),
    /// The target cannot be offered a load.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl ProfileError {
    pub(crate) fn senseless(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Senseless {
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuch { .. } => "no_such_profile",
            Self::Malformed(_) => "profile_malformed",
            Self::Senseless { .. } => "profile_senseless",
            Self::Setup { .. } => "setup_failed",
            Self::Token(_) => "no_token",
            Self::Load(error) => error.code(),
        }
    }
}
