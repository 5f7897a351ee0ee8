//! Why a role could not serve.

use std::io;

/// What keeps a role from serving, or ended it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener could not be handed to the runtime.
    #[error("the {listener} listener of {role} cannot be used: {cause}")]
    Listener {
        /// The role's name.
        role: &'static str,
        /// `api` or `admin`.
        listener: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// A setting that cannot work.
    #[error("{setting} must be {rule}")]
    Setting {
        /// The setting's name inside its section.
        setting: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A worker ended before it was told to.
    #[error("the {worker} ended although nobody asked it to")]
    WorkerLost {
        /// Which one.
        worker: &'static str,
    },
}

impl ServeError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listener { .. } => "listener_unusable",
            Self::Setting { .. } => "setting_refused",
            Self::WorkerLost { .. } => "worker_lost",
        }
    }

    /// Whether starting again may help without anybody doing something: listeners and settings need an operator.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::WorkerLost { .. })
    }
}
