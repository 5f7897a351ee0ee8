//! `/v1/accounts`: opening, finding and changing accounts.

use axum::extract::State;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use idempotency::Outcome;
use identity::{LEDGER_READ, LEDGER_WRITE};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Json, NoQuery, Path, Query};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{AccountBody, AccountListBody, AccountPatchBody, NewAccountBody};
use super::{App, asked, cursor, known, settled, shown};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Account, AccountKind};
use crate::operations::{Asked, ChangeAccount, CreateAccount};
use crate::store::ledger::AccountFilter;

/// Open an account
///
/// With an `Idempotency-Key` a repeat of the request gets the first answer. Currency, kind, limits and parts are for ever.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    operation_id = "create_account",
    tag = "accounts",
    security(("token" = ["ledger:write"])),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)
    ),
    request_body(content = NewAccountBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The account is open", body = AccountBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"),
            ("Location" = String, description = "The account's own resource"))),
        (status = 409, description = "`id_taken`: another account has the id", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    headers: HeaderMap,
    Json(body): Json<NewAccountBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let asked = asked(caller, &headers)?;
    let made = open(&app, asked, body.into_request()).await?;
    let location = format!("/v1/accounts/{}", made.get().id);
    let location = HeaderValue::try_from(location).map_err(Problem::internal)?;
    let mut response = settled(StatusCode::CREATED, &made, AccountBody::of);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// In a task of its own: a client that goes away leaves no account without an answer.
pub(crate) async fn open(
    app: &App,
    asked: Asked,
    new: CreateAccount,
) -> Result<Outcome<Account>, LedgerError> {
    let owned = app.clone();
    server::owned(async move {
        let outcome = owned.books.create_account(&asked, &new).await?;
        match &outcome {
            Outcome::Fresh(_) => owned.metrics.accounts_created.inc(),
            Outcome::Replayed(_) => owned.metrics.accounts_replayed.inc(),
        };
        Ok(outcome)
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    kind: Option<AccountKind>,
    currency: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// List accounts
///
/// The tenant's accounts by id. Paging on shows each account exactly once that exists throughout.
#[utoipa::path(
    get,
    path = "/v1/accounts",
    operation_id = "list_accounts",
    tag = "accounts",
    security(("token" = ["ledger:read"])),
    params(
        ("kind" = Option<AccountKind>, Query, description = "Only this kind", nullable = false),
        ("currency" = Option<String>, Query, description = "Only this currency", pattern = "^[A-Z]{3}$", nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page", body = AccountListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
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
    let currency = query.currency.as_deref().map(str::parse).transpose();
    let filter = AccountFilter {
        kind: query.kind,
        currency: currency.map_err(|_| Wrong::at("currency", Invalid::Currency))?,
    };
    let listed = app
        .books
        .list_accounts(&caller.0.tenant, &filter, after, query.limit)
        .await?;
    Ok(shown(AccountListBody::of(&listed)))
}

/// Show an account
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}",
    operation_id = "show_account",
    tag = "accounts",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "Which account", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 200, description = "The account", body = AccountBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such account, or another tenant's", body = Problem, content_type = "application/problem+json"),
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
    let account = app
        .books
        .account(&caller.0.tenant, known(&id, "account")?)
        .await?;
    Ok(shown(AccountBody::of(&account)))
}

/// Change or close an account
///
/// Only an account whose balance is zero and of which nothing is held can be closed; it stays closed.
#[utoipa::path(
    patch,
    path = "/v1/accounts/{id}",
    operation_id = "update_account",
    tag = "accounts",
    security(("token" = ["ledger:write"])),
    params(
        ("id" = String, Path, description = "Which account", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    request_body(content = AccountPatchBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The account as it is now", body = AccountBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such account, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`account_not_empty`: it cannot be closed now", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn update(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    Json(body): Json<AccountPatchBody>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_WRITE)?;
    let id = known(&id, "account")?;
    let account = change(&app, caller.0.tenant, id, body.into_change()).await?;
    Ok(shown(AccountBody::of(&account)))
}

/// In a task of its own, as [`open`].
pub(crate) async fn change(
    app: &App,
    tenant: identity::Tenant,
    id: ids::Id,
    asked: ChangeAccount,
) -> Result<Account, LedgerError> {
    let owned = app.clone();
    let closes = asked.closed == Some(true);
    server::owned(async move {
        let account = owned.books.change_account(&tenant, id, asked).await?;
        owned.metrics.accounts_updated.inc();
        if closes {
            owned.metrics.accounts_closed.inc();
        }
        Ok(account)
    })
    .await
}
