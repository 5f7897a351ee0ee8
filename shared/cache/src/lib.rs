#![doc = include_str!("../README.md")]

mod cache;
mod error;
mod flight;
mod metrics;
mod settings;
mod shelf;
pub mod xfetch;

pub use cache::{Cache, Lookup, Ticket};
pub use error::LoadError;
pub use metrics::CacheMetrics;
pub use settings::CacheSettings;
