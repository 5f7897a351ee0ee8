#![doc = include_str!("../README.md")]

mod commands;
mod connection;
mod error;
mod key;
mod link;
mod script;
mod settings;
mod subscription;
mod url;

pub use connection::{Effect, Redis};
pub use error::RedisError;
pub use key::Key;
pub use link::describe_metrics;
pub use script::{Call, Script};
pub use settings::RedisSettings;
pub use subscription::{Notice, Subscription};
pub use url::{RedisUrl, UrlError};

/// The driver's command builder and the traits of what goes in and comes out, for [`Redis::query`] and [`Call`].
pub use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, cmd};

resilience::connections![Redis: true];
resilience::engine_errors![RedisError];
