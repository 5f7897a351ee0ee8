//! `/v1/accounts/{id}/balance` and `/entries`: what an account holds, and how it came to.

use axum::extract::State;
use axum::response::Response;
use identity::LEDGER_READ;
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Path, Query};

use super::documented::ManagedRefusals;
use super::wire::{BalanceBody, EntryListBody};
use super::{App, cursor, known, moment, shown};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BalanceQuery {
    as_of: Option<String>,
}

/// Show a balance
///
/// Now, or as of a moment that has been: that answer never changes afterwards.
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/balance",
    operation_id = "show_balance",
    tag = "accounts",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "Which account", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("as_of" = Option<String>, Query, description = "Which moment, RFC 3339; not in the future", format = DateTime, nullable = false)
    ),
    responses(
        (status = 200, description = "The balance, on the side on which the account grows", body = BalanceBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such account, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn balance(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    Query(query): Query<BalanceQuery>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let as_of_ms = moment(query.as_of.as_deref(), "as_of")?;
    let id = known(&id, "account")?;
    let balance = app.books.read_balance(&caller.0.tenant, id, as_of_ms).await?;
    Ok(shown(BalanceBody::of(&balance)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntriesQuery {
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// List entries
///
/// What was posted to an account, in the order in which it happened, with the balance after each.
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/entries",
    operation_id = "list_entries",
    tag = "accounts",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "Which account", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("from" = Option<String>, Query, description = "Only entries from then on", format = DateTime, nullable = false),
        ("to" = Option<String>, Query, description = "Only entries before then", format = DateTime, nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page", body = EntryListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such account, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn entries(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    Query(query): Query<EntriesQuery>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let after = query.cursor.as_deref().map(cursor::parse_entry).transpose()?;
    let range = (
        moment(query.from.as_deref(), "from")?,
        moment(query.to.as_deref(), "to")?,
    );
    let id = known(&id, "account")?;
    let listed = app
        .books
        .list_entries(&caller.0.tenant, id, range, after, query.limit)
        .await?;
    Ok(shown(EntryListBody::of(&listed)))
}
