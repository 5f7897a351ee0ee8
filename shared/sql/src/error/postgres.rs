//! PostgreSQL's answers, sorted by SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use sqlx::postgres::PgDatabaseError;

use crate::SqlError;

/// Why a transaction is run again as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Serialization,
    Deadlock,
    LockTimeout,
    /// Before a commit was asked for.
    ConnectionLost,
}

impl Cause {
    /// As the metric names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Serialization => "serialization_failure",
            Self::Deadlock => "deadlock",
            Self::LockTimeout => "lock_not_available",
            Self::ConnectionLost => "connection_lost",
        }
    }

    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(_) => Some(Self::ConnectionLost),
            sqlx::Error::Database(database) => {
                let answer = database.try_downcast_ref::<PgDatabaseError>()?;
                match answer.code() {
                    "40000" | "40001" => Some(Self::Serialization),
                    "40P01" => Some(Self::Deadlock),
                    "55P03" => Some(Self::LockTimeout),
                    code if hung_up(code) => Some(Self::ConnectionLost),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Shut down, crashed or starting up; class 08 is the connection itself.
fn hung_up(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "57P04" | "57P05") || code.starts_with("08")
}

/// Whether the answer to a COMMIT proves that nothing stands. All others leave that open: a server that is told to stop
/// may say so after the commit reached its log.
pub(crate) fn did_not_commit(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else {
        return false;
    };
    let Some(answer) = database.try_downcast_ref::<PgDatabaseError>() else {
        return false;
    };
    let code = answer.code();
    // Decided before the commit is logged: deferred constraints and triggers, the order of transactions, our timeout.
    code.starts_with("23") || matches!(code, "40000" | "40001" | "40P01" | "55P03" | "57014" | "25P02")
}

/// Whether the server said that a statement, which was a transaction by itself, failed: then it rolled back. One that is told to stop
/// may say so after the commit reached its log.
pub(crate) fn did_not_stand(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else {
        return false;
    };
    database
        .try_downcast_ref::<PgDatabaseError>()
        .is_some_and(|answer| !hung_up(answer.code()))
}

pub(super) fn sorted(answer: &PgDatabaseError) -> SqlError {
    let message = answer.message().to_owned();
    match answer.code() {
        "40000" | "40001" | "40P01" | "55P03" => SqlError::Busy,
        // Ended by the server because of one of our own timeouts: a statement, or a body that did nothing.
        "57014" | "25P03" | "25P04" => SqlError::Deadline,
        "53100" => SqlError::Full,
        "25006" => SqlError::ReadOnly,
        "3D000" | "42501" => SqlError::Denied(message),
        "58030" | "58P01" => SqlError::Io(message),
        code if hung_up(code) => SqlError::Unreachable(message),
        code if code.starts_with("53") => SqlError::Overloaded,
        code if code.starts_with("28") => SqlError::Denied(message),
        code if code.starts_with("XX") => SqlError::Corrupt(message),
        code if code.starts_with("23") => SqlError::Constraint {
            unique: code == "23505",
            message,
        },
        _ => SqlError::Unexpected(message),
    }
}
