//! `/v1/payments`: paying, and watching a payment on its way.

use axum::extract::State as Shared;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use idempotency::IdempotencyKey;
use identity::{PAYMENTS_READ, PAYMENTS_WRITE};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, NoQuery, Path, Query};
use telemetry::TraceContext;

use super::card_free::CardFree;
use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{NewPaymentBody, PaymentBody, PaymentListBody};
use super::{App, asked, cursor, known, settled, shown};
use crate::operations::Asked;
use crate::operations::payments::PaymentError;
use crate::protocol::saga::State;
use crate::store::payments::PaymentFilter;

/// Who pays or is paid back, under a key that there must be.
pub(super) fn keyed(caller: Authenticated, headers: &HeaderMap) -> Result<Asked, Problem> {
    let asked = asked(caller, headers)?;
    match IdempotencyKey::from_headers(headers) {
        Ok(Some(_)) => Ok(asked),
        Ok(None) => Err(PaymentError::KeyMissing.into()),
        Err(error) => Err(PaymentError::from(error).into()),
    }
}

/// Make a payment
///
/// It is taken in and carried through: `Location` names the resource that shows where it stands. A repeat under the same `Idempotency-Key` gets the
/// first answer, also when that one was never seen. What looks like a card number is refused with `card_number_refused` and repeated nowhere.
/// An account that is unknown, closed or of another currency is refused at once.
#[utoipa::path(
    post,
    path = "/v1/payments",
    operation_id = "create_payment",
    tag = "payments",
    security(("token" = ["payments:write"])),
    params(
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = NewPaymentBody, content_type = "application/json"),
    responses(
        (status = 202, description = "It is taken in", body = PaymentBody, headers(
            ("Location" = String, description = "The payment's own resource"),
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    Shared(app): Shared<App>,
    _: NoQuery,
    caller: Authenticated,
    headers: HeaderMap,
    CardFree(body): CardFree<NewPaymentBody>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let asked = keyed(caller, &headers)?;
    let new = body.into_request();
    let traceparent = TraceContext::current().map(|trace| trace.traceparent());
    // In a task of its own: a client that goes away cancels nothing.
    let made = server::owned(async move {
        let cashier = &app.cashier;
        let claim = cashier.claim(&asked, new.fingerprint())?;
        cashier
            .create_payment(&asked.principal.tenant, claim, &new, traceparent)
            .await
    })
    .await?;
    let mut response = settled(StatusCode::ACCEPTED, &made, PaymentBody::of);
    let location = HeaderValue::try_from(format!("/v1/payments/{}", made.get().id)).expect("ids are ASCII");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<State>,
    account_id: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// List payments
#[utoipa::path(
    get,
    path = "/v1/payments",
    operation_id = "list_payments",
    tag = "payments",
    security(("token" = ["payments:read"])),
    params(
        ("state" = Option<State>, Query, description = "Only payments in this state", nullable = false),
        ("account_id" = Option<String>, Query, description = "Only payments of or to this account", pattern = "^[1-9][0-9]{0,18}$", nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page, the newest first", body = PaymentListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No account can have that id", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn list(
    Shared(app): Shared<App>,
    caller: Authenticated,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_READ)?;
    let before = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let account = query.account_id.as_deref();
    let filter = PaymentFilter {
        state: query.state,
        account: account.map(|id| known(id, "account")).transpose()?,
    };
    let (payments, next) = app
        .cashier
        .list(&caller.0.tenant, &filter, before, query.limit)
        .await?;
    Ok(shown(PaymentListBody::of(&payments, next)))
}

/// Show a payment
///
/// With the steps that were tried so far, in order: a timeline.
#[utoipa::path(
    get,
    path = "/v1/payments/{id}",
    operation_id = "show_payment",
    tag = "payments",
    security(("token" = ["payments:read"])),
    params(
        ("id" = String, Path, description = "Which payment", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 200, description = "The payment", body = PaymentBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such payment, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    Shared(app): Shared<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_READ)?;
    let id = known(&id, "payment")?;
    let history = app.cashier.find(&caller.0.tenant, id).await?;
    Ok(shown(PaymentBody::with_history(&history)))
}
