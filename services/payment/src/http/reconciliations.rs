//! `/v1/reconciliations`: settlements held against the ledger.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use identity::{LEDGER_READ, LEDGER_WRITE, Tenant};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, NoQuery, Path, Query};

use super::card_free::CardFree;
use super::documented::{BodyRefusals, ManagedRefusals};
use super::payments::keyed;
use super::wire::{BreakBody, BreakListBody, ReconciliationBody, ReconciliationListBody, ResolutionBody};
use super::{App, cursor, known, shown};
use crate::operations::payments::PaymentError;
use crate::operations::reconcile::parse_day;

/// The longest note, in characters.
const NOTE_CHARS_MAX: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    before: Option<String>,
    limit: Option<u32>,
}

/// What is of all tenants together is the operator's.
pub(crate) fn operator_only(app: &App, tenant: &Tenant) -> Result<(), Problem> {
    if app.reconciler.trusts(tenant) {
        return Ok(());
    }
    let detail =
        "this is of all tenants together, and shown to the tenant in `payment.reconciliation.operator` alone";
    Err(Problem::new(StatusCode::FORBIDDEN, "operator_only", detail))
}

/// List reconciliations
///
/// Days whose settlement was held against the ledger, of all tenants together: shown to the operator's tenant, where one is set. Their breaks are each
/// tenant's own.
#[utoipa::path(
    get,
    path = "/v1/reconciliations",
    operation_id = "list_reconciliations",
    tag = "audit",
    security(("token" = ["ledger:read"])),
    params(
        ("before" = Option<String>, Query, description = "Only days before this one", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most days", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "Days, the newest first", body = ReconciliationListBody),
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
    operator_only(&app, &caller.0.tenant)?;
    let before = query.before.as_deref();
    if before.is_some_and(|day| parse_day(day).is_none()) {
        return Err(Problem::invalid_request("before: must be a day, as 2026-11-22"));
    }
    let limit = app.cashier.page_limit(query.limit)?;
    let days = app
        .reconciler
        .store
        .list(before, limit)
        .await
        .map_err(PaymentError::from)?;
    Ok(shown(ReconciliationListBody::of(&days)))
}

/// Show a reconciliation
#[utoipa::path(
    get,
    path = "/v1/reconciliations/{id}",
    operation_id = "show_reconciliation",
    tag = "audit",
    security(("token" = ["ledger:read"])),
    params(("id" = String, Path, description = "The day", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")),
    responses(
        (status = 200, description = "The day", body = ReconciliationBody),
        (status = 404, description = "It was not judged (yet)", body = Problem, content_type = "application/problem+json"),
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
    operator_only(&app, &caller.0.tenant)?;
    let not_found = || Problem::not_found("this day was not reconciled (yet)");
    let after = parse_day(&id)
        .and_then(time::Date::next_day)
        .ok_or_else(not_found)?;
    let days = app.reconciler.store.list(Some(&after.to_string()), 1).await;
    let days = days.map_err(PaymentError::from)?;
    let day = days.first().filter(|day| day.day == id).ok_or_else(not_found)?;
    Ok(shown(ReconciliationBody::of(day)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreaksQuery {
    cursor: Option<String>,
    limit: Option<u32>,
}

/// List the breaks of a reconciliation
///
/// Of the tenant's own payments.
#[utoipa::path(
    get,
    path = "/v1/reconciliations/{id}/breaks",
    operation_id = "list_reconciliation_breaks",
    tag = "audit",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "The day", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page, by id", body = BreakListBody),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn breaks(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    Query(query): Query<BreaksQuery>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let after = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let limit = app.cashier.page_limit(query.limit)?;
    let store = &app.reconciler.store;
    let breaks = store.breaks(&caller.0.tenant, Some(&id), after, limit + 1).await;
    Ok(shown(BreakListBody::of(
        &breaks.map_err(PaymentError::from)?,
        limit,
    )))
}

/// Resolve a break
///
/// With a note, or with an adjustment: a row of the ledger, which is posted once however often this is repeated. An adjustment moves money: it needs an
/// `Idempotency-Key`, and is within the limits of a transfer.
#[utoipa::path(
    post,
    path = "/v1/reconciliation-breaks/{id}/resolve",
    operation_id = "resolve_reconciliation_break",
    tag = "audit",
    security(("token" = ["ledger:write"])),
    params(
        ("id" = String, Path, description = "Which break", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Needed with an adjustment, 1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)
    ),
    request_body(content = ResolutionBody, content_type = "application/json"),
    responses(
        (status = 200, description = "It is resolved", body = BreakBody),
        (status = 404, description = "No such break, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`break_resolved`: something was done about it already", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn resolve(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    CardFree(body): CardFree<ResolutionBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let id = known(&id, "break")?;
    if body.note.is_none() && body.adjustment.is_none() {
        return Err(Problem::invalid_field(
            "/note",
            "a break is resolved with a note, an adjustment or both",
        ));
    }
    if body
        .note
        .as_ref()
        .is_some_and(|note| note.is_empty() || note.chars().count() > NOTE_CHARS_MAX)
    {
        return Err(Problem::invalid_field("/note", "must be 1 to 500 characters"));
    }
    let adjustment = match &body.adjustment {
        None => None,
        // It moves money: as each such request it is safe to repeat, and says so.
        Some(of) => {
            keyed(caller.clone(), &headers)?;
            let (debited, credited) = (&of.debit_account_id, &of.credit_account_id);
            Some(
                app.books
                    .adjustment(debited, credited, &of.amount, &of.currency)?,
            )
        }
    };
    let resolved = server::owned(async move {
        app.reconciler
            .resolve(&caller.0.tenant, id, body.note, adjustment)
            .await
    })
    .await?;
    Ok(shown(BreakBody::of(&resolved)))
}
