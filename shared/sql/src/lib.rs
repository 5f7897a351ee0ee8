#![doc = include_str!("../README.md")]

mod error;
mod file;
mod metrics;
mod migrate;
mod probe;
mod scoped;
mod settings;
mod sqlite;
mod verify;
mod write;

pub use error::SqlError;
pub use migrate::Migration;
pub use scoped::{Scoped, scoped};
pub use settings::SqliteSettings;
pub use sqlite::Sqlite;
/// What a body of [`Sqlite::read`] or [`Sqlite::write`] runs its statements on.
pub use sqlx::SqliteConnection;
