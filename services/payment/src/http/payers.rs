//! `/v1/payers`: what is known of people, and its end.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use identity::PAYMENTS_WRITE;
use problem::Problem;
use server::{Authenticated, NoQuery, Path};

use super::documented::ManagedRefusals;
use super::{App, PRIVATE, known};
use crate::payment::Payment;

/// Erase a payer
///
/// Drops the key that the person's details are sealed with, and the details: a copy of the records alone cannot be opened any more; a backup
/// of the whole database can, with the master key, as long as it is kept. What was paid stays in the books, without them. It may be
/// repeated: who was erased is found as erased.
#[utoipa::path(
    delete,
    path = "/v1/payers/{person}",
    operation_id = "erase_payer",
    tag = "payers",
    security(("token" = ["payments:write"])),
    params(
        ("person" = String, Path, description = "Which person: the account that they pay from", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 204, description = "Nothing is known of the person any more", headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No payment ever told anything of who pays from that account", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn erase(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(person): Path<String>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (tenant, person) = (caller.0.tenant, Payment::person(known(&person, "payer")?));
    server::owned(async move { app.hooks.erase_payer(&tenant, &person).await }).await?;
    Ok((StatusCode::NO_CONTENT, [PRIVATE]).into_response())
}
