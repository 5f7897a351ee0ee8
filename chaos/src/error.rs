//! Why a drill could not be run. That it ran and failed is a verdict, not an error.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a drill could not be read or run.
#[derive(Debug, Error)]
pub enum DrillError {
    /// A file is not what it should be.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file, as it was named.
        file: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// An experiment asks for what only a cluster can do.
    #[error("{file}: a laptop cannot honour {what}: {why}")]
    NotHere {
        /// The experiment's file.
        file: String,
        /// What it asks for, by its name.
        what: String,
        /// Why not, and what to do instead.
        why: String,
    },
    /// There is no such drill.
    #[error("there is no drill `{name}`; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A program that the drill needs is not installed.
    #[error("{what} is not installed: {hint}")]
    NotInstalled {
        /// The program.
        what: String,
        /// How to get it.
        hint: String,
    },
    /// A part of the platform did not come up.
    #[error("{what} did not become ready: {reason}")]
    NotReady {
        /// The part.
        what: String,
        /// What it said last.
        reason: String,
    },
    /// The load could not be offered.
    #[error("the load cannot be offered: {0}")]
    Load(String),
    /// The platform could not be asked what it holds.
    #[error("{what} cannot be observed: {reason}")]
    Unobserved {
        /// What was asked for.
        what: String,
        /// Why there was no answer.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused a process, a socket or a thread.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl DrillError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "drill_malformed",
            Self::NotHere { .. } => "experiment_not_here",
            Self::Unknown { .. } => "drill_unknown",
            Self::NotInstalled { .. } => "not_installed",
            Self::NotReady { .. } => "not_ready",
            Self::Load(_) => "load_not_offered",
            Self::Unobserved { .. } => "unobserved",
            Self::File { .. } => "file",
            Self::System { .. } => "system",
        }
    }

    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
