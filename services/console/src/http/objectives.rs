//! `GET /v1/console/objectives`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use identity::CONSOLE_READ;
use problem::Problem;
use serde::Serialize;
use server::{Authenticated, Json, NoQuery};

use super::documented::Refusals;
use super::{App, PRIVATE};
use crate::model::ObjectiveView;

/// Every objective.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ObjectiveList {
    /// The worst first.
    objectives: Vec<ObjectiveView>,
}

/// List the objectives and how they stand
///
/// Burn rates are those that Prometheus would compute from the same scrapes.
#[utoipa::path(
    get,
    path = "/v1/console/objectives",
    operation_id = "list_objectives",
    tag = "console",
    security(("token" = ["console:read"])),
    responses((status = 200, description = "The objectives", body = ObjectiveList), Refusals)
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Authenticated,
    _query: NoQuery,
) -> Result<Response, Problem> {
    caller.require(CONSOLE_READ)?;
    let objectives = app.console.objectives();
    Ok(([PRIVATE], Json(ObjectiveList { objectives })).into_response())
}
