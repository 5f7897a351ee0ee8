//! What can go wrong with the cluster, sorted by what the caller can do about it.

use scylla::errors::{BadQuery, DbError, ExecutionError, PrepareError, RequestAttemptError};
use scylla::statement::Consistency;

use crate::UrlError;

/// An error of the engine, never of a domain rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WideError {
    /// Too few replicas are up for the level, or no connection was there to ask on. Nothing was written.
    #[error("too few replicas can be reached: {0}")]
    Unavailable(String),
    /// The cluster, or the bound on requests under way here, had no room. Nothing was written.
    #[error("the database has no room for the request now")]
    Overloaded,
    /// The session was closed, as at the end of the process. Nothing was written.
    #[error("the database session is closed")]
    Closed,
    /// No answer in time to a request that writes nothing, or to one that was not sent yet. Nothing was written.
    #[error("the database did not answer within the deadline")]
    Deadline,
    /// A write was sent and its end was not seen: it may stand, now or later. Settle it by reading at [`crate::Level::Serial`]
    /// and comparing an id of yours, or repeat it where repeating it does no harm.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),
    /// More rows, or more parts of a batch, than the settings allow. Nothing was written.
    #[error("{what}: more than the {max} that are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A stored row does not read as the code believes it to.
    #[error("a stored row does not read as it should: {0}")]
    Corrupt(String),
    /// The keyspace is not there: [`crate::Wide::migrate`] makes it.
    #[error("the keyspace `{0}` is not there; it wants migrating")]
    NoKeyspace(String),
    /// The keyspace holds a schema that this program is too old for.
    #[error(
        "the keyspace was migrated to version {found} by a newer program, and this one knows {known}: start the newer program"
    )]
    SchemaNewer {
        /// The newest step there that this program cannot live with.
        found: i64,
        /// Newest step in the code.
        known: i64,
    },
    /// A step that this program needs stands behind one that takes something away from older programs. It is applied
    /// by itself, once none of those runs any more.
    #[error("migration {version} ends the support of older programs and is not applied yet")]
    ContractPending {
        /// The step to apply first.
        version: i64,
    },
    /// A migration that was applied reads differently in this program.
    #[error("migration {version} was changed after it had been applied")]
    MigrationEdited {
        /// Which one.
        version: i64,
    },
    /// A migration failed half-way, or the list of migrations is not in order. Its statements can be repeated.
    #[error("migration {version} failed: {message}")]
    MigrationFailed {
        /// Which one; 0 when it is the list itself.
        version: i64,
        /// Why.
        message: String,
    },
    /// Another process is migrating the keyspace and did not come to an end in time. Nothing was changed here.
    #[error("another process is migrating the keyspace")]
    MigrationBusy,
    /// The setting leads to no cluster.
    #[error("the database URL {0}")]
    Url(#[from] UrlError),
    /// A statement or an answer is not what the code believes it to be: a defect.
    #[error("unexpected answer of the database: {0}")]
    Unexpected(String),
}

impl WideError {
    /// A stable name for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "wide_unavailable",
            Self::Overloaded => "wide_overloaded",
            Self::Closed => "wide_closed",
            Self::Deadline => "wide_deadline",
            Self::Unknown(_) => "wide_outcome_unknown",
            Self::TooMany { .. } => "wide_too_many",
            Self::Corrupt(_) => "wide_corrupt",
            Self::NoKeyspace(_) => "wide_no_keyspace",
            Self::SchemaNewer { .. } => "wide_schema_newer",
            Self::ContractPending { .. } => "wide_contract_pending",
            Self::MigrationEdited { .. } => "wide_migration_edited",
            Self::MigrationFailed { .. } => "wide_migration_failed",
            Self::MigrationBusy => "wide_migration_busy",
            Self::Url(_) => "wide_url",
            Self::Unexpected(_) => "wide_unexpected",
        }
    }

    /// Whether the same call may succeed later *and* certainly did nothing so far. An unknown outcome is not retryable in
    /// this sense: whoever repeats it must be able to tell that it was done.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Overloaded | Self::Closed | Self::Deadline | Self::MigrationBusy
        )
    }

    /// Whether the write may or may not stand.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

/// What a request may have changed by the time it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
    Conditional,
}

impl Effect {
    /// The error for a request that was sent and whose end was not seen.
    pub(crate) fn unseen(self, why: String) -> WideError {
        match self {
            Self::Read => WideError::Deadline,
            Self::Write | Self::Conditional => WideError::Unknown(why),
        }
    }

    /// Sorts what the driver says after its last attempt. It never repeats an attempt that may have written
    /// ([`crate::retry::Cautious`]), so the last attempt's error is the whole story.
    pub(crate) fn sorted(self, error: ExecutionError) -> WideError {
        match error {
            ExecutionError::LastAttemptError(attempt) => self.attempt(attempt),
            ExecutionError::ConnectionPoolError(_) | ExecutionError::EmptyPlan => {
                WideError::Unavailable(error.to_string())
            }
            ExecutionError::RequestTimeout(_) => self.unseen(error.to_string()),
            ExecutionError::PrepareError(error) => prepare(error),
            ExecutionError::BadQuery(BadQuery::TooManyQueriesInBatchStatement(_)) => WideError::TooMany {
                what: "parts of a batch",
                max: usize::from(u16::MAX),
            },
            other => WideError::Unexpected(other.to_string()),
        }
    }

    fn attempt(self, error: RequestAttemptError) -> WideError {
        use RequestAttemptError as Attempt;
        match error {
            Attempt::DbError(error, message) => self.answered(&error, &message),
            Attempt::UnableToAllocStreamId => WideError::Overloaded,
            Attempt::BrokenConnectionError(_) if self == Self::Read => {
                WideError::Unavailable(error.to_string())
            }
            // Nothing of these left this process, or the server refused to know the statement.
            Attempt::SerializationError(_)
            | Attempt::CqlRequestSerialization(_)
            | Attempt::RepreparedIdChanged { .. }
            | Attempt::RepreparedIdMissingInBatch => WideError::Unexpected(error.to_string()),
            // An answer came and could not be read: what it said is not known.
            other if self == Self::Read => WideError::Unexpected(other.to_string()),
            other => WideError::Unknown(other.to_string()),
        }
    }

    fn answered(self, error: &DbError, message: &str) -> WideError {
        let told = format!("{error}: {message}");
        match error {
            // A conditional write is refused for want of replicas before it proposes anything, with its serial level; a
            // lack that shows at its ordinary level comes after the proposal was accepted.
            DbError::Unavailable { consistency, .. }
                if self == Self::Conditional
                    && !matches!(consistency, Consistency::Serial | Consistency::LocalSerial) =>
            {
                WideError::Unknown(told)
            }
            DbError::Unavailable { .. } | DbError::IsBootstrapping => WideError::Unavailable(told),
            // The coordinator gives up over stored hints while it is already sending.
            DbError::Overloaded if self != Self::Read && message.contains("hint") => WideError::Unknown(told),
            DbError::Overloaded => WideError::Overloaded,
            DbError::RateLimitReached {
                rejected_by_coordinator,
                ..
            } => {
                if *rejected_by_coordinator || self == Self::Read {
                    WideError::Overloaded
                } else {
                    WideError::Unknown(told)
                }
            }
            // Refused before anything was done.
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::AuthenticationError
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::Unprepared { .. }
            | DbError::ProtocolError => WideError::Unexpected(told),
            // A SERIAL read finishes a conditional write that it finds half-done: it reports write timeouts of its own.
            DbError::ReadTimeout { .. } | DbError::WriteTimeout { .. } if self == Self::Read => {
                WideError::Deadline
            }
            _ if self == Self::Read => WideError::Unavailable(told),
            // Timeouts and failures of replicas, CAS_WRITE_UNKNOWN (0x1700) and whatever is not named yet.
            _ => WideError::Unknown(told),
        }
    }
}

/// Preparing writes nothing, whatever is prepared.
pub(crate) fn prepare(error: PrepareError) -> WideError {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => match Effect::Read.attempt(first_attempt) {
            WideError::Unexpected(told) if told.contains("eyspace") && told.contains("does not exist") => {
                WideError::NoKeyspace(told)
            }
            sorted => sorted,
        },
        PrepareError::ConnectionPoolError(_) => WideError::Unavailable(error.to_string()),
        other => WideError::Unexpected(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use scylla::errors::WriteType;

    use super::*;

    fn answered(effect: Effect, error: DbError, message: &str) -> WideError {
        let attempt = RequestAttemptError::DbError(error, message.to_owned());
        effect.sorted(ExecutionError::LastAttemptError(attempt))
    }

    fn too_few(consistency: Consistency) -> DbError {
        DbError::Unavailable {
            consistency,
            required: 2,
            alive: 1,
        }
    }

    fn write_timeout(write_type: WriteType) -> DbError {
        DbError::WriteTimeout {
            consistency: Consistency::Quorum,
            received: 1,
            required: 2,
            write_type,
        }
    }

    #[test]
    fn a_write_that_timed_out_or_failed_on_a_replica_is_unknown() {
        let failed = DbError::WriteFailure {
            consistency: Consistency::Quorum,
            received: 1,
            required: 2,
            numfailures: 1,
            write_type: WriteType::Simple,
        };
        // What Cassandra says in a newer protocol when it lost sight of a conditional write.
        let cas_write_unknown = DbError::Other(0x1700);
        for effect in [Effect::Write, Effect::Conditional] {
            for error in [
                write_timeout(WriteType::Simple),
                write_timeout(WriteType::Cas),
                failed.clone(),
                cas_write_unknown.clone(),
                DbError::ServerError,
            ] {
                let sorted = answered(effect, error, "");
                assert!(sorted.is_unknown() && !sorted.retryable(), "{sorted:?}");
            }
        }
    }

    #[test]
    fn a_lack_of_replicas_is_certain_until_a_condition_was_agreed_on() {
        for (effect, level) in [
            (Effect::Read, Consistency::Quorum),
            (Effect::Write, Consistency::Quorum),
            (Effect::Conditional, Consistency::Serial),
            (Effect::Conditional, Consistency::LocalSerial),
        ] {
            let sorted = answered(effect, too_few(level), "");
            assert!(
                matches!(sorted, WideError::Unavailable(_)) && sorted.retryable(),
                "{sorted:?}"
            );
        }
        let committing = answered(Effect::Conditional, too_few(Consistency::Quorum), "");
        assert!(committing.is_unknown(), "{committing:?}");
    }

    #[test]
    fn a_coordinator_without_room_did_nothing_unless_it_was_sending_already() {
        let early = answered(
            Effect::Write,
            DbError::Overloaded,
            "Server is in overloaded state",
        );
        assert!(
            matches!(early, WideError::Overloaded) && early.retryable(),
            "{early:?}"
        );
        let late = answered(
            Effect::Write,
            DbError::Overloaded,
            "Too many in flight hints: 1024",
        );
        assert!(late.is_unknown(), "{late:?}");
        let read = answered(
            Effect::Read,
            DbError::Overloaded,
            "Too many in flight hints: 1024",
        );
        assert!(matches!(read, WideError::Overloaded), "{read:?}");
    }

    #[test]
    fn a_read_is_never_unknown() {
        let read_timeout = DbError::ReadTimeout {
            consistency: Consistency::Quorum,
            received: 1,
            required: 2,
            data_present: false,
        };
        for error in [
            read_timeout,
            write_timeout(WriteType::Cas),
            DbError::ServerError,
            DbError::Other(0x1700),
            too_few(Consistency::Serial),
        ] {
            let sorted = answered(Effect::Read, error, "");
            assert!(sorted.retryable() && !sorted.is_unknown(), "{sorted:?}");
        }
        assert!(matches!(Effect::Read.unseen(String::new()), WideError::Deadline));
        assert!(Effect::Conditional.unseen(String::new()).is_unknown());
    }

    #[test]
    fn a_statement_that_the_server_refuses_is_a_defect_and_nothing_was_done() {
        for error in [DbError::SyntaxError, DbError::Invalid, DbError::Unauthorized] {
            let sorted = answered(Effect::Conditional, error, "no such column");
            assert!(matches!(sorted, WideError::Unexpected(_)), "{sorted:?}");
            assert!(!sorted.retryable() && !sorted.is_unknown());
        }
    }
}
