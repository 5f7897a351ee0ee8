//! What the world is told of a payment.

use serde::Serialize;
use streams::Event;

use crate::ledger::{Amount, Currency};
use crate::payment::Payment;
use crate::processor::SettlementKind;
use crate::protocol::saga::{State, Told};
use crate::reconciliation::Movement;

/// The data of every event of a payment.
#[derive(Debug, Serialize)]
struct PaymentData<'a> {
    payment_id: ids::Id,
    payer_account_id: ids::Id,
    merchant_account_id: ids::Id,
    amount: Amount,
    currency: Currency,
    state: State,
    refunded: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundData>,
}

/// The refund that an event is about.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct RefundData {
    refund_id: ids::Id,
    amount: Amount,
    whole: bool,
}

/// An event of a payment. Its id is made of what it is about, so that it is the same on every attempt to write it.
pub(crate) fn payment_event(
    payment: &Payment,
    kind: &str,
    id_suffix: &str,
    refund: Option<RefundData>,
    now_ms: u64,
) -> Event {
    let data = PaymentData {
        payment_id: payment.id,
        payer_account_id: payment.payer_account_id,
        merchant_account_id: payment.merchant_account_id,
        amount: payment.amount,
        currency: payment.currency,
        state: payment.saga.state,
        refunded: payment.saga.refunded.to_string(),
        failure: payment.saga.failure.as_deref(),
        refund,
    };
    let id = format!("{kind}/{}{id_suffix}", payment.id);
    let mut event = Event::new(id, "/payment", kind, payment.reference(), now_ms, &data)
        .expect("ids, amounts and names are always JSON");
    event.tenant = Some(payment.tenant.as_str().to_owned());
    event.traceparent.clone_from(&payment.traceparent);
    event
}

pub(super) fn told(payment: &Payment, told: &Told, now_ms: u64) -> Event {
    match told {
        Told::Authorized => payment_event(payment, "payment.authorized", "", None, now_ms),
        Told::Captured => payment_event(payment, "payment.captured", "", None, now_ms),
        Told::Failed => payment_event(payment, "payment.failed", "", None, now_ms),
        Told::Refunded { id, amount, whole } => {
            let refund = RefundData {
                refund_id: *id,
                amount: *amount,
                whole: *whole,
            };
            payment_event(
                payment,
                "payment.refunded",
                &format!("/{id}"),
                Some(refund),
                now_ms,
            )
        }
    }
}

/// What the ledger moved with it, under the reference that the processor knows it by.
pub(super) fn movement(payment: &Payment, told: &Told, at_ms: u64) -> Option<Movement> {
    let (kind, reference, amount) = match told {
        Told::Captured => (SettlementKind::Capture, payment.reference(), payment.amount),
        Told::Refunded { id, amount, .. } => (SettlementKind::Refund, format!("refund/{id}"), *amount),
        Told::Authorized | Told::Failed => return None,
    };
    Some(Movement {
        tenant: payment.tenant.clone(),
        reference,
        kind,
        payment_id: payment.id,
        amount: amount.minor(),
        currency: payment.currency,
        at_ms,
    })
}
