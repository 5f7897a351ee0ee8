//! `/v1/payments/{id}/receipt`.

use axum::extract::State;
use axum::response::Response;
use identity::PAYMENTS_READ;
use problem::Problem;
use server::{Authenticated, NoQuery, Path};

use super::documented::ManagedRefusals;
use super::wire::ReceiptBody;
use super::{App, known, shown};
use crate::operations::payments::PaymentError;

/// Show the receipt of a payment
///
/// It is issued a moment after the payment was captured, and voided when all of it went back.
#[utoipa::path(
    get,
    path = "/v1/payments/{id}/receipt",
    operation_id = "show_receipt",
    tag = "payments",
    security(("token" = ["payments:read"])),
    params(
        ("id" = String, Path, description = "Of which payment", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 200, description = "The receipt", body = ReceiptBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such payment, another tenant's, or not captured (yet)", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_READ)?;
    let (tenant, id) = (&caller.0.tenant, known(&id, "payment")?);
    let payment = app.cashier.find(tenant, id).await?.payment;
    let receipt = app
        .receipts
        .receipt(tenant, id)
        .await
        .map_err(PaymentError::from)?;
    let receipt = receipt.ok_or_else(|| Problem::not_found("this payment has no receipt (yet)"))?;
    let payer = app.cashier.payer(&payment).await?;
    Ok(shown(ReceiptBody::of(&payment, &receipt, payer)))
}
