#![doc = include_str!("../README.md")]

mod bucket;
mod keyed;
mod settings;

pub use bucket::{Decision, Rate, TokenBucket};
pub use keyed::KeyedLimiter;
pub use settings::LimitSettings;
