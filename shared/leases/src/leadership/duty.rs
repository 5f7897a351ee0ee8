use crate::{Leadership, LeadershipError};
use async_trait::async_trait;

/// What one process does at a time.
#[async_trait]
pub trait Duty: Send {
    /// One step, called only while this process believes that it leads. Belief is no proof: each write is guarded with
    /// `leadership`. It keeps to deadlines of its own; past `tick_timeout_ms` it is dropped where it stands.
    async fn tick(&mut self, leadership: &Leadership) -> Result<Pace, DutyFailed>;

    /// Ready when there is something to do before the next tick is due. By itself, never.
    async fn woken(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// When the next tick is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once: there is more to do.
    Again,
    /// After the usual pause, or when the duty is woken.
    Rest,
}

/// Why a tick did not do what it had to. The next one tries again, after the usual pause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DutyFailed {
    /// A stable name, for the metric. After `leadership_lost`, that of [`LeadershipError::Lost`], no step is begun before the
    /// leadership was renewed.
    pub code: &'static str,
    /// For the operator.
    pub detail: String,
}

impl From<LeadershipError> for DutyFailed {
    fn from(error: LeadershipError) -> Self {
        Self {
            code: error.code(),
            detail: error.to_string(),
        }
    }
}
