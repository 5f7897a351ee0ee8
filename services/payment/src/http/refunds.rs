//! `/v1/payments/{id}/refunds`: money back.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use identity::PAYMENTS_WRITE;
use problem::Problem;
use server::{Authenticated, NoQuery, Path};

use super::card_free::CardFree;
use super::documented::{BodyRefusals, ManagedRefusals};
use super::payments::keyed;
use super::wire::{NewRefundBody, RefundBody};
use super::{App, known, settled};
use crate::operations::payments::RefundPayment;

/// Refund a payment
///
/// Whole or in part, as long as something is left of it; refunds that wait count. It is taken in and carried through: the payment shows where it
/// stands.
#[utoipa::path(
    post,
    path = "/v1/payments/{id}/refunds",
    operation_id = "refund_payment",
    tag = "payments",
    security(("token" = ["payments:write"])),
    params(
        ("id" = String, Path, description = "Which payment", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body(content = NewRefundBody, content_type = "application/json"),
    responses(
        (status = 202, description = "It is taken in", body = RefundBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        (status = 404, description = "No such payment, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`payment_not_refundable`: it was not captured", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    CardFree(body): CardFree<NewRefundBody>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let asked = keyed(caller, &headers)?;
    let new = RefundPayment {
        payment_id: known(&id, "payment")?,
        amount: body.amount,
    };
    let made = server::owned(async move {
        let cashier = &app.cashier;
        let claim = cashier.claim(&asked, new.fingerprint())?;
        cashier.refund_payment(&asked.principal.tenant, claim, &new).await
    })
    .await?;
    Ok(settled(StatusCode::ACCEPTED, &made, RefundBody::of))
}
