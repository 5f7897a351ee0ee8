//! Receipts, on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::show_moment;
use crate::ledger::{Amount, Currency};
use crate::operations::payments::Payer;
use crate::payment::Payment;
use crate::store::receipts::Receipt;

/// The receipt of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(in crate::http) struct ReceiptBody {
    #[schema(value_type = String)]
    payment_id: ids::Id,
    /// `issued`, or `voided` since all of it went back.
    state: &'static str,
    #[schema(value_type = String)]
    payer_account_id: ids::Id,
    #[schema(value_type = String)]
    merchant_account_id: ids::Id,
    /// Minor units.
    #[schema(value_type = String)]
    amount: Amount,
    #[schema(value_type = String)]
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Who paid, where it was told and not erased since.
    #[serde(skip_serializing_if = "Option::is_none")]
    payer: Option<ReceiptPayerBody>,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    voided_at: Option<String>,
}

/// Who paid.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiptPayer)]
pub(in crate::http) struct ReceiptPayerBody {
    name: String,
    email: String,
}

impl std::fmt::Debug for ReceiptPayerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceiptPayerBody(***)")
    }
}

impl ReceiptBody {
    pub(in crate::http) fn of(payment: &Payment, receipt: &Receipt, payer: Option<Payer>) -> Self {
        Self {
            payment_id: payment.id,
            state: receipt.state(),
            payer_account_id: payment.payer_account_id,
            merchant_account_id: payment.merchant_account_id,
            amount: payment.amount,
            currency: payment.currency,
            description: payment.description.clone(),
            payer: payer.map(|payer| ReceiptPayerBody {
                name: payer.name,
                email: payer.email,
            }),
            issued_at: show_moment(receipt.issued_at_ms),
            voided_at: receipt.voided_at_ms.map(show_moment),
        }
    }
}
