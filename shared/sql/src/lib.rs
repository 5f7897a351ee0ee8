#![doc = include_str!("../README.md")]

mod error;
mod migrate;
mod noted;
mod numbers;
mod postgres;
mod scoped;
mod settings;
mod sqlite;
mod url;

pub use error::SqlError;
pub use migrate::{Kind, Migration};
pub use numbers::{int, uint};
pub use postgres::{Postgres, Rewritten, describe_metrics};
pub use scoped::{Scoped, scoped};
pub use settings::{PostgresSettings, SqliteSettings};
pub use sqlite::Sqlite;
/// What a body of [`Postgres::read`] or [`Postgres::write`] runs its statements on.
pub use sqlx::PgConnection;
/// What a body of [`Sqlite::read`] or [`Sqlite::write`] runs its statements on.
pub use sqlx::SqliteConnection;
pub use url::{DatabaseUrl, DatabaseUrlError, PostgresUrl, UrlError, sqlite_path};

resilience::connections![Sqlite: false, Postgres: true];
resilience::engine_errors![SqlError];
