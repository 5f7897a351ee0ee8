#![doc = include_str!("../README.md")]

mod error;
mod file;
mod metrics;
mod migrate;
mod noted;
mod numbers;
mod probe;
mod scoped;
mod settings;
mod sqlite;
mod url;
mod verify;
mod write;

pub use error::SqlError;
pub use migrate::{Kind, Migration};
pub use numbers::{int, uint};
pub use scoped::{Scoped, scoped};
pub use settings::SqliteSettings;
pub use sqlite::Sqlite;
/// What a body of [`Sqlite::read`] or [`Sqlite::write`] runs its statements on.
pub use sqlx::SqliteConnection;
pub use url::{UrlError, sqlite_path};
