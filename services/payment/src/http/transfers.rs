//! `/v1/transfers`: moving money from one account to another, and back.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use identity::{LEDGER_READ, LEDGER_WRITE};
use problem::Problem;
use server::{Authenticated, Json, NoQuery, Path};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{NewTransferBody, ReversalBody, TransferBody};
use super::{App, asked, known, settled, shown};

/// Make a transfer
///
/// Whole or not at all; a repeat under the same `Idempotency-Key` gets the first answer, also when that one was never seen.
#[utoipa::path(
    post,
    path = "/v1/transfers",
    operation_id = "create_transfer",
    tag = "transfers",
    security(("token" = ["ledger:write"])),
    params(
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = NewTransferBody, content_type = "application/json"),
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
    Json(body): Json<NewTransferBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let (asked, new) = (asked(caller, &headers)?, body.into_request());
    // In a task of its own: a client that goes away cancels nothing.
    let made = server::owned(async move { app.books.create_transfer(asked, &new).await }).await?;
    Ok(settled(StatusCode::CREATED, &made, |settled| {
        TransferBody::of(&settled.journal)
    }))
}

/// Show a transfer
///
/// Any row of the journal: transfers, transactions, captures, reversals, and the rows of holds, which move nothing.
#[utoipa::path(
    get,
    path = "/v1/transfers/{id}",
    operation_id = "show_transfer",
    tag = "transfers",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "Which row", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 200, description = "The row", body = TransferBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such row, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let journal = app
        .books
        .journal(&caller.0.tenant, known(&id, "transfer")?)
        .await?;
    Ok(shown(TransferBody::of(&journal)))
}

/// Reverse a transfer
///
/// Posts the opposite as a new row that points at the old one, which stays as it is: all that is not reversed yet, or an amount of it.
#[utoipa::path(
    post,
    path = "/v1/transfers/{id}/reversal",
    operation_id = "reverse_transfer",
    tag = "transfers",
    security(("token" = ["ledger:write"])),
    params(
        ("id" = String, Path, description = "Which row", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = ReversalBody, content_type = "application/json"),
    responses(
        (status = 201, description = "It is reversed", body = TransferBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        (status = 404, description = "No such row, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The ledger refuses it now", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn reverse(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<ReversalBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let asked = asked(caller, &headers)?;
    let id = known(&id, "transfer")?;
    let reversed = server::owned(async move {
        let amount = body.amount.as_deref();
        app.books.reverse_transfer(asked, id, amount).await
    })
    .await?;
    Ok(settled(StatusCode::CREATED, &reversed, |settled| {
        TransferBody::of(&settled.journal)
    }))
}
