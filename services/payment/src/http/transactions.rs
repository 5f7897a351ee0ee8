//! `/v1/transactions`: any number of balanced lines as one.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use identity::LEDGER_WRITE;
use problem::Problem;
use server::{Authenticated, Json, NoQuery};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{NewTransactionBody, TransferBody};
use super::{App, asked, settled};

/// Post a transaction
///
/// Two to a thousand lines, in each currency with as much debited as credited. An exchange goes through accounts of both currencies; its
/// rate is recorded, and the sums have to agree with it.
#[utoipa::path(
    post,
    path = "/v1/transactions",
    operation_id = "create_transaction",
    tag = "transfers",
    security(("token" = ["ledger:write"])),
    params(
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = NewTransactionBody, content_type = "application/json"),
    responses(
        (status = 201, description = "It is posted", body = TransferBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        (status = 409, description = "`id_taken`: another row has the id", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    headers: HeaderMap,
    Json(body): Json<NewTransactionBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let (asked, new) = (asked(caller, &headers)?, body.into_request());
    let made = server::owned(async move { app.books.create_transaction(asked, &new).await }).await?;
    Ok(settled(StatusCode::CREATED, &made, |settled| {
        TransferBody::of(&settled.journal)
    }))
}
