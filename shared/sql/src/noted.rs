//! What the engine said while a body ran. A body answers with an error of its domain, which need not say what it was made of; yet
//! a full disk must not be measured as a refusal.

use std::cell::Cell;
use std::future::Future;

use crate::SqlError;
use crate::error::Cause;

tokio::task_local! {
    static NOTED: Cell<Option<Noted>>;
}

/// The last error of the engine while a body ran.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) code: &'static str,
    /// Whether the body is worth running again.
    pub(crate) cause: Option<Cause>,
}

/// Notes an error of the engine for the body that is running. A constraint is what domains ask with, so it is none.
pub(crate) fn note(error: &SqlError, cause: Option<Cause>) {
    if !matches!(error, SqlError::Constraint { .. }) {
        let code = error.code();
        let _ = NOTED.try_with(|noted| noted.set(Some(Noted { code, cause })));
    }
}

/// Runs a body; when it answers an error, the last engine's error in it goes along.
pub(crate) async fn run<T, E>(body: impl Future<Output = Result<T, E>>) -> Result<T, (E, Option<Noted>)> {
    let noting = async { body.await.map_err(|error| (error, NOTED.with(Cell::take))) };
    NOTED.scope(Cell::new(None), noting).await
}
