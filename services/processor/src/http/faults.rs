//! `/v1/processor/faults`, where the settings allow it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use problem::Problem;
use server::{Json, NoQuery};

use super::body::CardFree;
use super::caller::Caller;
use super::{App, PRIVATE};
use crate::error::ProcessorError;
use crate::faults::Faults;

fn allowed(app: &App) -> Result<(), ProcessorError> {
    if app.rules.fault_controls {
        Ok(())
    } else {
        Err(ProcessorError::NoFaultControls)
    }
}

fn shown(app: &App) -> Response {
    ([PRIVATE], Json(app.faults.now())).into_response()
}

/// Show the faults
///
/// Counts as far as they went down.
#[utoipa::path(get, path = "/v1/processor/faults", operation_id = "show_faults", tag = "faults",
    security(("secret" = [])),
    responses(
        (status = 200, description = "What is wrong on purpose", body = Faults),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`fault_controls_off`", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(State(app): State<App>, _: NoQuery, _: Caller) -> Result<Response, Problem> {
    allowed(&app)?;
    Ok(shown(&app))
}

/// Replace the faults
///
/// All of them: what is not named is off.
#[utoipa::path(put, path = "/v1/processor/faults", operation_id = "replace_faults", tag = "faults",
    security(("secret" = [])),
    request_body(content = Faults, content_type = "application/json"),
    responses(
        (status = 200, description = "What is wrong on purpose from now on", body = Faults),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`fault_controls_off`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Beyond a limit", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn replace(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    CardFree(faults): CardFree<Faults>,
) -> Result<Response, Problem> {
    allowed(&app)?;
    app.faults.set(faults)?;
    tracing::info!(?faults, "faults are set");
    Ok(shown(&app))
}

/// Reset the faults
///
/// Nothing is wrong any more.
#[utoipa::path(delete, path = "/v1/processor/faults", operation_id = "reset_faults", tag = "faults",
    security(("secret" = [])),
    responses(
        (status = 204, description = "It is itself again"),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`fault_controls_off`", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn reset(State(app): State<App>, _: NoQuery, _: Caller) -> Result<Response, Problem> {
    allowed(&app)?;
    app.faults.set(Faults::default())?;
    tracing::info!("faults are reset");
    Ok(StatusCode::NO_CONTENT.into_response())
}
