use std::sync::Arc;

/// Why a value could not be loaded. All callers that joined a load get the same.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// The origin failed.
    #[error("{0}")]
    Origin(Arc<E>),
    /// Too many loads are waiting for their turn.
    #[error("too many loads of cold entries are waiting")]
    Busy,
    /// The load, or its wait for a turn, took too long.
    #[error("the origin did not answer in time")]
    TimedOut,
    /// The shared level is away or was wiped, the origin is read as often as it bears, and nothing is known here.
    #[error("the shared cache is away and the origin bears no more reads")]
    Limited,
    /// The load ended without an answer: it panicked, or the process is stopping.
    #[error("the load ended without an answer")]
    Abandoned,
}

impl<E> LoadError<E> {
    /// A stable name. An origin's error has a better one of its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Origin(_) => "cache_origin_failed",
            Self::Busy => "cache_busy",
            Self::TimedOut => "cache_load_timed_out",
            Self::Limited => "cache_origin_limited",
            Self::Abandoned => "cache_load_abandoned",
        }
    }

    /// Whether a later read may succeed. Of an origin's error, ask the error itself.
    pub fn retryable(&self) -> bool {
        !matches!(self, Self::Origin(_))
    }

    /// A read changes nothing, so nothing about it is in doubt.
    pub fn is_unknown(&self) -> bool {
        false
    }
}

/// By hand, since an `Arc` is cloned whether or not `E` can be.
impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Origin(error) => Self::Origin(Arc::clone(error)),
            Self::Busy => Self::Busy,
            Self::TimedOut => Self::TimedOut,
            Self::Limited => Self::Limited,
            Self::Abandoned => Self::Abandoned,
        }
    }
}
