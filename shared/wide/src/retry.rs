//! When the driver itself may try a request again.

use scylla::errors::{DbError, RequestAttemptError};
use scylla::policies::retry::{RequestInfo, RetryDecision, RetryPolicy, RetrySession};

/// Other nodes that one request is tried on, after the first.
const RETRIES_MAX: u32 = 2;

/// Tries another node only where the attempt certainly wrote nothing: it was refused before it began, or it was a read. So
/// the error of the last attempt is the truth about all of them.
#[derive(Debug)]
pub(crate) struct Cautious;

impl RetryPolicy for Cautious {
    fn new_session(&self) -> Box<dyn RetrySession> {
        Box::new(Tries(0))
    }
}

struct Tries(u32);

impl RetrySession for Tries {
    fn decide_should_retry(&mut self, request: RequestInfo) -> RetryDecision {
        use RequestAttemptError as Attempt;
        let refused_before_it_began = matches!(
            request.error,
            Attempt::UnableToAllocStreamId | Attempt::DbError(DbError::IsBootstrapping, _)
        );
        // Only reads are marked idempotent to the driver.
        let harmless = request.is_idempotent
            && matches!(
                request.error,
                Attempt::BrokenConnectionError(_)
                    | Attempt::DbError(
                        DbError::Overloaded
                            | DbError::ServerError
                            | DbError::Unavailable { .. }
                            | DbError::ReadTimeout { .. }
                            | DbError::ReadFailure { .. },
                        _
                    )
            );
        if self.0 < RETRIES_MAX && (refused_before_it_began || harmless) {
            self.0 += 1;
            RetryDecision::RetryNextTarget(None)
        } else {
            RetryDecision::DontRetry
        }
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}
