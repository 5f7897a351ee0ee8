//! What can go wrong with a database, sorted by what the caller can do about it.

/// An error of the engine, never of a domain rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// Another connection held the lock for longer than this one was ready to wait. Nothing was written.
    #[error("the database stayed locked by another writer")]
    Busy,
    /// No connection became free in time. Nothing was written.
    #[error("no database connection became free in time")]
    Overloaded,
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
        /// SQLite's words; names a table and columns, never a value.
        message: String,
    },
    /// The file holds a schema that this program is too old for.
    #[error("the database was migrated to version {found} by a newer program; this one knows {known}")]
    SchemaNewer {
        /// Newest version in the file.
        found: i64,
        /// Newest version in the code.
        known: i64,
    },
    /// A migration that was applied to the file reads differently in this program.
    #[error("migration {version} was changed after it had been applied")]
    MigrationEdited {
        /// Which one.
        version: i64,
    },
    /// A migration failed, or the list of migrations is not in order. The file is as it was before it.
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

/// SQLite's primary result codes (the low byte of the extended ones), <https://www.sqlite.org/rescode.html>.
mod primary {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const NOTADB: i32 = 26;
}

/// The file under an open connection was moved or deleted: `SQLITE_READONLY_DBMOVED`.
const READONLY_DBMOVED: i32 = 8 | (4 << 8);

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        let error = Self::sorted(error);
        crate::noted::note(&error);
        error
    }
}

impl SqlError {
    fn sorted(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let extended = database
                    .code()
                    .and_then(|code| code.parse::<i32>().ok())
                    .unwrap_or(0);
                let message = database.message().to_owned();
                match extended & 0xff {
                    primary::BUSY | primary::LOCKED => Self::Busy,
                    primary::FULL => Self::Full,
                    primary::READONLY if extended == READONLY_DBMOVED => Self::FileLost,
                    primary::READONLY | primary::PERM => Self::ReadOnly,
                    primary::IOERR | primary::CANTOPEN => Self::Io(message),
                    primary::CORRUPT | primary::NOTADB => Self::Corrupt(message),
                    primary::CONSTRAINT => Self::Constraint {
                        unique: database.is_unique_violation(),
                        message,
                    },
                    _ => Self::Unexpected(message),
                }
            }
            sqlx::Error::PoolTimedOut => Self::Overloaded,
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Io(error) => Self::Io(error.to_string()),
            sqlx::Error::WorkerCrashed => Self::Io("the connection's thread ended".to_owned()),
            other => Self::Unexpected(other.to_string()),
        }
    }
}
