//! Why a lab has no report.

use std::fmt::Display;

use thiserror::Error;

/// Why a lab has no report.
#[derive(Debug, Error)]
pub enum LabError {
    /// Something the lab stands on could not be set up, or failed while it should not have.
    #[error("{what}: {why}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// What stood in the way.
        why: String,
    },
    /// All arms together took too long; nothing of it is a result.
    #[error("the lab was not over within {0} s: is this machine busy with something else?")]
    DeadlineExceeded(u64),
    /// The load was not offered as it should have been, so that its numbers say nothing.
    #[error(
        "the load of arm `{arm}` was not offered: {dropped} of {due} requests were never sent; is this machine busy?"
    )]
    NotOffered {
        /// Which arm.
        arm: String,
        /// Requests that were never sent.
        dropped: u64,
        /// Requests that were due.
        due: u64,
    },
}

impl LabError {
    /// Turns whatever failed into an error that says what was being done.
    pub fn while_<E: Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed {
            what,
            why: error.to_string(),
        }
    }

    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "lab_failed",
            Self::DeadlineExceeded(_) => "lab_deadline_exceeded",
            Self::NotOffered { .. } => "lab_not_offered",
        }
    }

    /// Whether the same run may succeed later.
    pub fn retryable(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}
