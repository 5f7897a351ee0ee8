//! What can go wrong with a database, sorted by what the caller can do about it.

mod postgres;
mod sqlite;

pub(crate) use postgres::{Cause, did_not_commit, did_not_stand};

use crate::DatabaseUrlError;

/// An error of the engine, never of a domain rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// Other writers were in the way for longer than this one was ready to wait: a lock, a deadlock, an order of
    /// transactions that could not be kept. Nothing was written.
    #[error("the database stayed locked by another writer")]
    Busy,
    /// No connection became free in time. Nothing was written.
    #[error("no database connection became free in time")]
    Overloaded,
    /// The server is away, or hung up before the commit was asked for. Nothing was written.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The server knows neither this user, nor this database, or does not allow what was asked.
    #[error("the database refuses this user: {0}")]
    Denied(String),
    /// The setting leads to no database. Only an operator can change that.
    #[error("the database URL {0}")]
    Url(#[from] DatabaseUrlError),
    /// The database was closed, as at the end of the process. Nothing was written.
    #[error("the database is closed")]
    Closed,
    /// The deadline passed before the commit was asked for. Nothing was written.
    #[error("the database did not answer within the deadline")]
    Deadline,
    /// The commit was asked for and its end was not seen: the write may stand, now or after a restart.
    /// Settle it by reading under a fence, or repeat it under the same idempotency key.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// The disk, or the limit set on the file, is full. Nothing was written.
    #[error("the disk is full")]
    Full,
    /// The database cannot be written. Nothing was written.
    #[error("the database is read-only")]
    ReadOnly,
    /// The file at the path is not the one that was opened: what is written now would be lost.
    #[error("the database file was moved, deleted or replaced")]
    FileLost,
    /// The disk answered with an error.
    #[error("disk error: {0}")]
    Io(String),
    /// The file is damaged or is not a database.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// A unique key, primary key, foreign key, check or not-null constraint refused the statement.
    #[error("constraint violated: {message}")]
    Constraint {
        /// Whether it was a unique or primary key.
        unique: bool,
        /// The engine's words; names a table and columns, never a value.
        message: String,
    },
    /// The database holds a schema that this program is too old for: a newer one took something away.
    #[error(
        "the database was migrated to version {found} by a newer program, and this one knows {known}: start the newer program"
    )]
    SchemaNewer {
        /// Newest version in the database.
        found: i64,
        /// Newest version in the code.
        known: i64,
    },
    /// A step that this program needs stands behind one that takes something away from older programs. It is applied
    /// by itself, once none of those runs any more.
    #[error("migration {version} ends the support of older programs and is not applied yet")]
    ContractPending {
        /// The step to apply first.
        version: i64,
    },
    /// A migration that was applied to the database reads differently in this program.
    #[error("migration {version} was changed after it had been applied")]
    MigrationEdited {
        /// Which one.
        version: i64,
    },
    /// A migration failed, or the list of migrations is not in order. The database is as it was before it.
    #[error("migration {version} failed: {message}")]
    MigrationFailed {
        /// Which one; 0 when it is the list itself.
        version: i64,
        /// Why.
        message: String,
    },
    /// A statement or a column is not what the code believes it to be: a defect.
    #[error("unexpected answer of the database: {0}")]
    Unexpected(String),
}

impl SqlError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "sql_busy",
            Self::Overloaded => "sql_overloaded",
            Self::Unreachable(_) => "sql_unreachable",
            Self::Denied(_) => "sql_denied",
            Self::Url(_) => "sql_url",
            Self::Closed => "sql_closed",
            Self::Deadline => "sql_deadline",
            Self::Unknown(_) => "sql_outcome_unknown",
            Self::Full => "sql_full",
            Self::ReadOnly => "sql_read_only",
            Self::FileLost => "sql_file_lost",
            Self::Io(_) => "sql_io",
            Self::Corrupt(_) => "sql_corrupt",
            Self::Constraint { .. } => "sql_constraint",
            Self::SchemaNewer { .. } => "sql_schema_newer",
            Self::ContractPending { .. } => "sql_contract_pending",
            Self::MigrationEdited { .. } => "sql_migration_edited",
            Self::MigrationFailed { .. } => "sql_migration_failed",
            Self::Unexpected(_) => "sql_unexpected",
        }
    }

    /// Whether the same call may succeed later *and* certainly did nothing so far. An unknown outcome is not
    /// retryable in this sense: whoever repeats it needs an idempotency key.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Overloaded
                | Self::Unreachable(_)
                | Self::Closed
                | Self::Deadline
                | Self::Full
                | Self::ReadOnly
                | Self::FileLost
                | Self::Io(_)
        )
    }

    /// Whether the write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether a unique or primary key refused the row.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Constraint { unique: true, .. })
    }
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        let cause = Cause::of(&error);
        let error = Self::sorted(error);
        crate::noted::note(&error, cause);
        error
    }
}

impl SqlError {
    fn sorted(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                match database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                    Some(answer) => postgres::sorted(answer),
                    None => sqlite::sorted(&*database),
                }
            }
            sqlx::Error::PoolTimedOut => Self::Overloaded,
            sqlx::Error::PoolClosed => Self::Closed,
            // SQLite's own disk errors come as its codes, so this is a socket.
            sqlx::Error::Io(error) => Self::Unreachable(error.to_string()),
            sqlx::Error::WorkerCrashed => Self::Io("the connection's thread ended".to_owned()),
            other => Self::Unexpected(other.to_string()),
        }
    }
}
