#![doc = include_str!("../README.md")]

mod bucket;
mod keyed;
mod limiter;
mod redis;
mod settings;
mod shared;

pub use bucket::{Decision, Rate, TokenBucket};
pub use keyed::KeyedLimiter;
pub use limiter::{LimitError, RateLimiter};
pub use redis::RedisLimiter;
pub use settings::{LimitSettings, OnLoss};
pub use shared::{SharedLimiter, describe_metrics};
