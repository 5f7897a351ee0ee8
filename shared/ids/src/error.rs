/// Why no id, or no generator, was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The wall clock stands further behind the last id than is waited out. Ids come again once it has caught up.
    #[error("the wall clock stands {by_ms} ms behind the last id issued")]
    ClockWentBack {
        /// How far behind, in milliseconds.
        by_ms: u64,
    },
    /// The wall clock did not move on while the next millisecond was waited for.
    #[error("the wall clock stands still")]
    ClockStalled,
    /// The wall clock has passed `issue_until_ms`; a renewed lease brings ids back.
    #[error("the lease on this worker id ran out at {issue_until_ms} (Unix milliseconds)")]
    LeaseExpired {
        /// The last millisecond for which ids may be issued.
        issue_until_ms: u64,
    },
    /// `retire` was called: the worker id may belong to somebody else by now.
    #[error("this generator has given its worker id back")]
    Retired,
    /// The time does not fit 41 bits of milliseconds since 2026.
    #[error("the wall clock is beyond what 41 bits of milliseconds can tell")]
    EpochOver,
    /// The lease names a worker above `WORKER_MAX`.
    #[error("worker {worker} does not fit 10 bits")]
    WorkerTooLarge {
        /// The worker that was asked for.
        worker: u16,
    },
}

impl IdError {
    /// A stable name for metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClockWentBack { .. } => "id_clock_went_back",
            Self::ClockStalled => "id_clock_stalled",
            Self::LeaseExpired { .. } => "id_lease_expired",
            Self::Retired => "id_retired",
            Self::EpochOver => "id_epoch_over",
            Self::WorkerTooLarge { .. } => "id_worker_too_large",
        }
    }

    /// Whether the same generator may give an id later.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::ClockWentBack { .. } | Self::ClockStalled | Self::LeaseExpired { .. }
        )
    }
}
