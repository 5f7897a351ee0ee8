//! What an operator may tune about a database.

mod postgres;
mod sqlite;

pub use postgres::PostgresSettings;
pub use sqlite::SqliteSettings;
