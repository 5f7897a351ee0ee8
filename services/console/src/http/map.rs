//! `GET /v1/console/map`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use identity::CONSOLE_READ;
use problem::Problem;
use server::{Authenticated, Json, NoQuery};

use super::documented::Refusals;
use super::{App, PRIVATE};
use crate::model::ServiceMap;

/// Show who calls whom
///
/// Over the last five minutes. A service's own numbers come from its metrics where it is scraped (`source`), edges from recorded traces.
#[utoipa::path(
    get,
    path = "/v1/console/map",
    operation_id = "show_map",
    tag = "console",
    security(("token" = ["console:read"])),
    responses((status = 200, description = "The map", body = ServiceMap), Refusals)
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Authenticated,
    _query: NoQuery,
) -> Result<Response, Problem> {
    caller.require(CONSOLE_READ)?;
    Ok(([PRIVATE], Json(app.console.map())).into_response())
}
