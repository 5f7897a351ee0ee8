use crate::Decision;
use async_trait::async_trait;
use redis_engine::RedisError;

/// One token bucket a key, wherever it is kept.
///
/// - In any window of length *t* a key gets at most `burst + rate × t` requests through, from all processes that share the
///   buckets; racing requests for the last token have one winner. [`SharedLimiter`](crate::SharedLimiter) says what holds while the
///   shared buckets are away.
/// - A refused request takes nothing, and says when one will pass if nothing else is asked for.
/// - Keys do not touch each other. A key's bucket is forgotten no sooner than it is full again, unless the engine loses its memory:
///   then every bucket is full.
#[async_trait]
pub trait RateLimiter: Send + Sync + std::fmt::Debug {
    /// One request of `key`, now.
    async fn check(&self, key: &str) -> Result<Decision, LimitError>;
}

/// Why nobody could decide. A token may have been taken all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The buckets that processes share cannot be reached.
    #[error("the shared rate limiter cannot be asked: {0}")]
    Unavailable(#[from] RedisError),
}

impl LimitError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        "rate_limiter_unavailable"
    }

    /// Always: at worst, a token is lost.
    pub fn retryable(&self) -> bool {
        true
    }

    /// Never: nobody asks later whether a token was taken.
    pub fn is_unknown(&self) -> bool {
        false
    }
}
