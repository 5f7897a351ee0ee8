//! Asking for a refund.

use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;

use super::{Cashier, PaymentError};
use crate::ledger::Claim;
use crate::payment::{Refund, RefundRows};
use crate::store::payments::NewRefund;

/// A refund as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct RefundPayment {
    /// Of which payment.
    pub(crate) payment_id: Id,
    /// How much; all that is left, where it is not said.
    pub(crate) amount: Option<String>,
}

impl RefundPayment {
    /// What tells it from other requests under the same key.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let route = format!("/v1/payments/{}/refunds", self.payment_id);
        Fingerprint::of("POST", &route, self.amount.as_deref().unwrap_or("all").as_bytes())
    }
}

impl Cashier {
    /// Takes a refund in: durable when this answers. Refunds of a payment run one after another.
    pub(crate) async fn refund_payment(
        &self,
        tenant: &Tenant,
        claim: Claim,
        asked: &RefundPayment,
    ) -> Result<Outcome<Refund>, PaymentError> {
        let amount = asked
            .amount
            .as_deref()
            .map(|text| self.amount(text))
            .transpose()?;
        let new = NewRefund {
            tenant: tenant.clone(),
            id: self.ids.next()?,
            payment_id: asked.payment_id,
            amount,
            rows: RefundRows {
                hold: self.ids.next()?,
                release: self.ids.next()?,
                reversal: self.ids.next()?,
            },
            claim,
        };
        let made = self.payments.request_refund(&new, self.clock.unix_ms()).await??;
        self.bell.notify_one();
        Ok(made)
    }
}
