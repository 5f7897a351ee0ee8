//! What the engine said while a body ran. A body answers with an error of its domain, which need not say what it was made of; yet
//! a full disk must not be measured as a refusal.

use std::cell::Cell;
use std::future::Future;

use crate::SqlError;

tokio::task_local! {
    static NOTED: Cell<Option<&'static str>>;
}

/// Notes an error of the engine for the body that is running. A constraint is what domains ask with, so it is none.
pub(crate) fn note(error: &SqlError) {
    if !matches!(error, SqlError::Constraint { .. }) {
        let _ = NOTED.try_with(|noted| noted.set(Some(error.code())));
    }
}

/// Runs a body; when it answers an error, the code of the last engine's error in it goes along.
pub(crate) async fn run<T, E>(
    body: impl Future<Output = Result<T, E>>,
) -> Result<T, (E, Option<&'static str>)> {
    let noting = async { body.await.map_err(|error| (error, NOTED.with(Cell::take))) };
    NOTED.scope(Cell::new(None), noting).await
}
