#![doc = include_str!("../README.md")]

mod append;
mod bucket;
mod connection;
mod error;
mod names;
mod probe;
mod read;
mod settings;
mod stream;
mod url;

pub use append::{Append, Appended, Expect};
pub use bucket::{Bucket, Entry, Swap};
pub use connection::Nats;
pub use error::NatsError;
pub use names::{token, untoken};
pub use read::{Page, Pick, Record};
pub use settings::NatsSettings;
pub use stream::{StreamLimits, StreamState};
pub use url::UrlError;

resilience::connections![Nats: true];
resilience::engine_errors![NatsError];
