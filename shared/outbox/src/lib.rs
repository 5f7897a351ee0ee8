#![doc = include_str!("../README.md")]

mod append;
mod core;
mod error;
mod metrics;
mod relay;
mod rows;
mod settings;

pub use crate::append::{
    APPEND_MAX, DATA_BYTES_MAX, OUTBOX_POSTGRES, OUTBOX_SQLITE, append_postgres, append_sqlite,
};
pub use crate::core::{Bounds, Core, Input, Output, Row};
pub use crate::error::OutboxError;
pub use crate::metrics::describe_metrics;
pub use crate::relay::{Bell, Relay};
pub use crate::rows::Outbox;
pub use crate::settings::OutboxSettings;
