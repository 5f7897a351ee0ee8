//! What an operation refuses or fails with, and what a client is told.

use std::time::Duration;

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use idempotency::{IdempotencyError, RunError};
use ids::IdError;
use problem::{FieldError, Problem, StatusCode};

use crate::passwords::PasswordError;
use crate::store::StoreError;

/// When a client should try again after something on our side was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The refusals and failures of the shortener's operations.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// Some fields of the request are not acceptable.
    #[error("the request is not acceptable: {}", list(.0))]
    Invalid(Vec<FieldError>),
    /// A parameter of the query is not acceptable.
    #[error("{name}: {detail}")]
    Parameter {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The alias belongs to another link.
    #[error("this alias is taken")]
    AliasTaken,
    /// No such link, or another tenant's.
    #[error("there is no such link")]
    NotFound,
    /// The link is past its expiry.
    #[error("this link has expired")]
    Expired,
    /// The link is put away.
    #[error("this link is archived")]
    Archived,
    /// The link's time has not come.
    #[error("this link does not lead anywhere yet")]
    NotActiveYet,
    /// The link was followed as often as it may be.
    #[error("this link was followed as often as it may be")]
    CapReached,
    /// A robot would use up a click of a link with a cap.
    #[error("this link is for a limited number of visitors, and robots are not among them")]
    RobotRefused,
    /// The link has a password, and none came.
    #[error("this link asks for a password")]
    PasswordWanted,
    /// Not the link's password, or no link.
    #[error("this is not the password, or there is no such link")]
    PasswordWrong,
    /// This client tried too many passwords on this link.
    #[error("too many passwords were tried; wait {} s", .0.as_secs().max(1))]
    TooManyTries(Duration),
    /// A password could not be hashed or checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// What it leads to is on the list of known bad URLs.
    #[error("this link leads to a page that is known to do harm, and is not followed")]
    KnownBad,
    /// The link is not of whom it is to be taken from.
    #[error("this link has another owner")]
    OwnerDiffers,
    /// The rules on domains are others than the request was made from.
    #[error("the rules were changed by others since they were read")]
    RulesChanged,
    /// The link is another than the one that the change was made from.
    #[error("the link was changed by others since it was shown")]
    ChangedSince,
    /// Others kept changing the link meanwhile.
    #[error("the link was changed by others at the same time")]
    Contended,
    /// The idempotency key was refused.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// No id could be issued.
    #[error("no id can be issued now: {0}")]
    Id(#[from] IdError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A generated code was taken, and so were those of the next ranges that were tried: more than imports explain.
    #[error("generated codes were given out twice")]
    CodeCollision,
    /// Other processes could not be told of a change before it, so it was not made.
    #[error("the cache that processes share cannot be told: {0}")]
    Untold(#[from] cache::SharedError),
    /// The cache that processes share is away, and the store is read as often as it bears meanwhile.
    #[error("the shared cache is away, and the link store is read as often as it bears")]
    ReadsLimited,
    /// A redirect was not answered because its click is not known to be safe.
    #[error("the click could not be recorded in time")]
    ClickNotSafe,
    /// Too many look-ups wait for the store.
    #[error("too many look-ups wait for the link store")]
    Overloaded,
}

impl LinkError {
    /// One wrong field.
    pub fn field(pointer: &str, detail: &str) -> Self {
        Self::Invalid(vec![FieldError {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        }])
    }
}

fn list(errors: &[FieldError]) -> String {
    let parts: Vec<String> = errors
        .iter()
        .map(|error| match error.pointer.as_str() {
            "" => error.detail.clone(),
            pointer => format!("{pointer}: {}", error.detail),
        })
        .collect();
    parts.join("; ")
}

impl From<RunError<Self>> for LinkError {
    fn from(error: RunError<Self>) -> Self {
        match error {
            RunError::Idempotency(error) => Self::Idempotency(error),
            RunError::Work(error) => error,
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let said = error.to_string();
        match error {
            LinkError::Invalid(errors) => errors
                .into_iter()
                .fold(Self::invalid_request(said), |problem, error| problem.field(error.pointer, error.detail)),
            LinkError::Parameter { .. } => Self::invalid_request(said),
            LinkError::AliasTaken => Self::conflict("alias_taken", said).field("/alias", "this alias is taken"),
            LinkError::NotFound => Self::not_found(said),
            LinkError::Expired => Self::gone(said),
            LinkError::Archived => Self::new(StatusCode::GONE, "link_archived", said),
            LinkError::NotActiveYet => Self::new(StatusCode::NOT_FOUND, "link_not_active_yet", said),
            LinkError::CapReached => Self::new(StatusCode::GONE, "click_cap_reached", said),
            LinkError::KnownBad => Self::new(StatusCode::GONE, "known_bad_url", said),
            LinkError::OwnerDiffers => Self::conflict("owner_differs", said),
            LinkError::ChangedSince => Self::conflict("link_changed", said),
            LinkError::RulesChanged => Self::conflict("rules_changed", said),
            LinkError::RobotRefused => Self::new(StatusCode::FORBIDDEN, "robot_refused", said),
            LinkError::PasswordWanted => locked("password_required", said),
            LinkError::PasswordWrong => locked("password_wrong", said),
            LinkError::TooManyTries(wait) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_password_tries", said).retry_after(wait)
            }
            LinkError::Contended => Self::conflict("link_contended", said).retry_after(RETRY_AFTER),
            LinkError::Idempotency(error) => error.into(),
            LinkError::Id(error) => Self::unavailable("no id can be issued now", RETRY_AFTER).cause(error),
            LinkError::Untold(cause) => Self::unavailable(
                "other processes cannot be told of a change now; nothing was changed",
                RETRY_AFTER,
            )
            .cause(cause),
            LinkError::Overloaded
            | LinkError::ReadsLimited
            | LinkError::ClickNotSafe
            | LinkError::Password(PasswordError::Busy) => Self::unavailable(said, RETRY_AFTER),
            LinkError::Store(StoreError::Unavailable(cause)) => {
                Self::unavailable("the link store cannot be reached; nothing was changed", RETRY_AFTER).cause(cause)
            }
            LinkError::Store(StoreError::Unknown(cause)) => Self::unavailable(
                "whether the change was made is not known yet; repeat the request, with the same Idempotency-Key if it had one",
                RETRY_AFTER,
            )
            .cause(cause),
            LinkError::Store(StoreError::CodesExhausted) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "codes_exhausted", said)
            }
            LinkError::Store(StoreError::Corrupt(cause)) => Self::internal(cause),
            LinkError::CodeCollision | LinkError::Password(PasswordError::Failed) => Self::internal(said),
        }
    }
}

/// 401 has to name a scheme; ours is the name of the header.
fn locked(code: &'static str, said: String) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, said)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Link-Password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_whole_has_no_empty_name() {
        let said = LinkError::field("", "it is empty").to_string();
        assert_eq!(said, "the request is not acceptable: it is empty");
    }

    #[test]
    fn what_the_operator_reads_does_not_reach_the_client() {
        for error in [
            StoreError::Unavailable("/data/x.db".into()),
            StoreError::Corrupt("row 7 of links".into()),
        ] {
            let problem = Problem::from(LinkError::from(error));
            let shown = serde_json::to_string(&problem.document()).unwrap();
            assert!(!shown.contains("x.db") && !shown.contains("row 7"), "{shown}");
            assert!(problem.operator_cause().is_some());
        }
    }

    #[test]
    fn an_unknown_outcome_says_that_the_request_is_to_be_repeated() {
        let problem = Problem::from(LinkError::from(StoreError::Unknown("disk".into())));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.retry_after_hint().is_some());
        assert!(problem.detail().contains("repeat the request"));
    }
}
