//! SQLite's answers, sorted.

use sqlx::error::DatabaseError;

use crate::SqlError;

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

pub(super) fn sorted(answer: &dyn DatabaseError) -> SqlError {
    let extended = answer
        .code()
        .and_then(|code| code.parse::<i32>().ok())
        .unwrap_or(0);
    let message = answer.message().to_owned();
    match extended & 0xff {
        primary::BUSY | primary::LOCKED => SqlError::Busy,
        primary::FULL => SqlError::Full,
        primary::READONLY if extended == READONLY_DBMOVED => SqlError::FileLost,
        primary::READONLY | primary::PERM => SqlError::ReadOnly,
        primary::IOERR | primary::CANTOPEN => SqlError::Io(message),
        primary::CORRUPT | primary::NOTADB => SqlError::Corrupt(message),
        primary::CONSTRAINT => SqlError::Constraint {
            unique: answer.is_unique_violation(),
            message,
        },
        _ => SqlError::Unexpected(message),
    }
}
