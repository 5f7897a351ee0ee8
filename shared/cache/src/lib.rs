#![doc = include_str!("../README.md")]

mod bring;
mod cache;
mod error;
mod far;
mod flight;
mod metrics;
mod settings;
mod shared;
mod shelf;
mod write;
pub mod xfetch;

pub use cache::{Cache, Lookup, Ticket};
pub use error::LoadError;
pub use far::{Codec, Shared};
pub use metrics::{CacheMetrics, describe_metrics};
pub use settings::CacheSettings;
pub use shared::{
    Lease, Look, MemorySharedCache, Notice, RedisSharedCache, SharedCache, SharedCacheSettings, SharedError,
    WhenSharedLost, WriteMark, WritesWithoutShared,
};
pub use write::WriteGuard;

resilience::engine_errors![SharedError];
