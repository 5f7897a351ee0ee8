#![doc = include_str!("../README.md")]

mod checks;
mod consumer;
mod error;
mod event;
mod jetstream;
mod log;
mod metrics;
mod open;
mod partition;
mod progress;
mod settings;
mod sqlite;
mod wakes;

pub use consumer::{BatchHandler, Consumer, Handled, Handler, HandlerError};
pub use error::StreamError;
pub use event::Event;
pub use jetstream::NatsStreamLog;
pub use log::{
    Claim, Collected, DeadLetter, DeadLetterPage, Delivery, Group, GroupLag, Lag, Published, Stored,
    StreamLog,
};
pub use metrics::describe_metrics;
pub use open::LogOpener;
pub use partition::{PARTITIONS, Partition, Position};
pub use settings::{ConsumerSettings, StreamSettings};
pub use sqlite::SqliteStreamLog;

resilience::engine_errors![StreamError];
