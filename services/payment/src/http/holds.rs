//! `/v1/holds`: setting money aside, and what becomes of it.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use identity::{LEDGER_READ, LEDGER_WRITE};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Json, NoQuery, Path, Query};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::or_empty::OrEmpty;
use super::wire::{CaptureBody, HoldBody, HoldListBody, NewHoldBody, SettledHoldBody, VoidBody};
use super::{App, asked, cursor, known, settled, shown};
use crate::ledger::Settled;

/// Place a hold
///
/// Sets money aside: it still stands on the account, but is not available. It is captured, voided, or its time runs out.
#[utoipa::path(
    post,
    path = "/v1/holds",
    operation_id = "place_hold",
    tag = "holds",
    security(("token" = ["ledger:write"])),
    params(
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = NewHoldBody, content_type = "application/json"),
    responses(
        (status = 201, description = "It is held", body = HoldBody, headers(
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
    Json(body): Json<NewHoldBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let (asked, new) = (asked(caller, &headers)?, body.into_request());
    let made = server::owned(async move { app.books.place_hold(asked, &new).await }).await?;
    Ok(settled(StatusCode::CREATED, &made, placed))
}

/// The hold itself: the row that placed it has the same id.
fn placed(settled: &Settled) -> Option<HoldBody> {
    settled.hold.as_ref().map(HoldBody::of)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    account_id: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// List holds
#[utoipa::path(
    get,
    path = "/v1/holds",
    operation_id = "list_holds",
    tag = "holds",
    security(("token" = ["ledger:read"])),
    params(
        ("account_id" = Option<String>, Query, description = "Only holds that debit or credit this account", pattern = "^[1-9][0-9]{0,18}$", nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page, by id", body = HoldListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such account, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let after = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let account = match query.account_id.as_deref() {
        Some(id) => Some(known(id, "account")?),
        None => None,
    };
    let (holds, next_after) = app
        .books
        .list_holds(&caller.0.tenant, account, after, query.limit)
        .await?;
    Ok(shown(HoldListBody::of(&holds, next_after)))
}

/// Show a hold
#[utoipa::path(
    get,
    path = "/v1/holds/{id}",
    operation_id = "show_hold",
    tag = "holds",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "Which hold", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 200, description = "The hold", body = HoldBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such hold, or another tenant's", body = Problem, content_type = "application/problem+json"),
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
    let hold = app.books.hold(&caller.0.tenant, known(&id, "hold")?).await?;
    Ok(shown(HoldBody::of(&hold)))
}

/// Capture a hold
///
/// Moves what was held, or a part of it; several parts may follow each other up to the whole. `final` lets go of the rest.
#[utoipa::path(
    post,
    path = "/v1/holds/{id}/capture",
    operation_id = "capture_hold",
    tag = "holds",
    security(("token" = ["ledger:write"])),
    params(
        ("id" = String, Path, description = "Which hold", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = CaptureBody, content_type = "application/json"),
    responses(
        (status = 201, description = "It is captured", body = SettledHoldBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        (status = 404, description = "No such hold, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`hold_not_open` or `hold_expired`", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn capture(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<CaptureBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let (asked, capture) = (asked(caller, &headers)?, body.into_request());
    let id = known(&id, "hold")?;
    let done = server::owned(async move { app.books.capture_hold(asked, id, &capture).await }).await?;
    Ok(settled(StatusCode::CREATED, &done, SettledHoldBody::of))
}

/// Void a hold
///
/// Lets go of all that is left of it. It needs no body, and takes an empty object.
#[utoipa::path(
    post,
    path = "/v1/holds/{id}/void",
    operation_id = "void_hold",
    tag = "holds",
    security(("token" = ["ledger:write"])),
    params(
        ("id" = String, Path, description = "Which hold", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)
    ),
    request_body(content = Option<VoidBody>, content_type = "application/json"),
    responses(
        (status = 201, description = "It is let go", body = SettledHoldBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        (status = 404, description = "No such hold, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`hold_not_open`: it was captured or let go already", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn void(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    OrEmpty(VoidBody {}): OrEmpty<VoidBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let asked = asked(caller, &headers)?;
    let id = known(&id, "hold")?;
    let done = server::owned(async move { app.books.void_hold(&asked, id).await }).await?;
    Ok(settled(StatusCode::CREATED, &done, SettledHoldBody::of))
}
