//! What is told: events of the payment, and what goes to merchants. And the statements, which both engines share.

use identity::Tenant;
use ids::Id;
use serde_json::{Value, json};
use streams::Event;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Happened, Receipt};
use crate::payment::reference;
use crate::store::{StoreError, webhooks};

/// Who tells it.
const SOURCE: &str = "/payment";

pub(super) const FIND_PAYMENT: &str = "
    SELECT state, amount, currency, payer_account_id, merchant_account_id FROM payment WHERE tenant = $1 AND id = $2";

/// Whatever is there already, of this payment or of this event, stands.
pub(super) const ISSUE: &str = "
    INSERT INTO receipt (tenant, payment_id, event_id, issued_at_ms, voided_at_ms, traceparent)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

pub(super) const VOID: &str = "
    UPDATE receipt SET voided_at_ms = $3 WHERE tenant = $1 AND payment_id = $2 AND voided_at_ms IS NULL";

pub(super) const FIND_RECEIPT: &str =
    "SELECT issued_at_ms, voided_at_ms FROM receipt WHERE tenant = $1 AND payment_id = $2";

pub(super) const NOTIFY: &str = "
    INSERT INTO notification (event_id, tenant, payment_id, kind, endpoints, at_ms)
    VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT DO NOTHING";

pub(super) const FIND_TOLD: &str = "
    SELECT kind, endpoints, at_ms FROM notification WHERE tenant = $1 AND payment_id = $2 ORDER BY at_ms, event_id LIMIT $3";

/// Rows of the above: a payment that goes back in many pieces has one for each.
pub(super) const TOLD_MAX: i64 = 100;

pub(super) const NOTIFIED: &str = "UPDATE notification SET endpoints = $2 WHERE event_id = $1";

/// What is read of a payment: state, amount, currency, payer, merchant.
pub(super) type PaymentRow = (String, i64, String, i64, i64);

/// The part of a payment that consumers need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paid {
    state: String,
    amount: i64,
    currency: String,
    payer_account_id: i64,
    merchant_account_id: i64,
}

impl From<PaymentRow> for Paid {
    fn from((state, amount, currency, payer_account_id, merchant_account_id): PaymentRow) -> Self {
        Self {
            state,
            amount,
            currency,
            payer_account_id,
            merchant_account_id,
        }
    }
}

impl Paid {
    /// Whether all of it went back.
    pub(super) fn is_refunded(&self) -> bool {
        self.state == "refunded"
    }

    fn shown(&self, payment_id: Id, receipt: Option<&Receipt>) -> Value {
        json!({
            "payment_id": payment_id.to_string(),
            "state": self.state,
            "amount": self.amount.to_string(),
            "currency": self.currency,
            "payer_account_id": self.payer_account_id.to_string(),
            "merchant_account_id": self.merchant_account_id.to_string(),
            "receipt": receipt.map(|receipt| json!({
                "state": receipt.state(),
                "issued_at": rfc3339(receipt.issued_at_ms),
            })),
        })
    }
}

pub(super) fn receipt(
    tenant: &Tenant,
    payment_id: Id,
    (issued_at, voided_at): (i64, Option<i64>),
) -> Result<Receipt, StoreError> {
    Ok(Receipt {
        tenant: tenant.clone(),
        payment_id,
        issued_at_ms: sql::uint(issued_at)?,
        voided_at_ms: voided_at.map(sql::uint).transpose()?,
    })
}

/// What follows an event of a payment, in its trace. A payment has one of a kind, so its id says all.
fn follows(happened: &Happened, id: String, kind: &str, data: &Value) -> Event {
    Event {
        id,
        source: SOURCE.to_owned(),
        kind: kind.to_owned(),
        key: reference(happened.payment_id),
        subject: None,
        time_ms: happened.now_ms,
        traceparent: happened.traceparent.clone(),
        tenant: Some(happened.tenant.as_str().to_owned()),
        data: data.to_string(),
    }
}

pub(super) fn receipt_issued(happened: &Happened, paid: &Paid, receipt: &Receipt) -> Event {
    let id = format!("receipt-issued-{}", happened.payment_id);
    let data = paid.shown(happened.payment_id, Some(receipt));
    follows(happened, id, "payment.receipt_issued", &data)
}

pub(super) fn notified(happened: &Happened, endpoints: u64) -> Event {
    let id = format!("notified-{}", happened.payment_id);
    let data = json!({ "payment_id": happened.payment_id.to_string(), "endpoints": endpoints });
    follows(happened, id, "payment.notified", &data)
}

/// Whether the event closes the chain from a captured payment over its receipt.
pub(super) fn closes_the_chain(happened: &Happened) -> bool {
    happened.kind == "payment.receipt_issued"
}

/// What goes to merchants. A captured payment is told of when its receipt is there, a refund by its own name and amount.
pub(super) fn webhook(happened: &Happened, paid: &Paid, receipt: Option<&Receipt>) -> webhooks::Event {
    let kind = if closes_the_chain(happened) {
        "payment.captured"
    } else {
        &happened.kind
    };
    let mut data = paid.shown(happened.payment_id, receipt);
    if let Some(refund) = &happened.refund {
        data["refund"] = json!(refund);
    }
    let body = json!({
        "type": kind,
        "timestamp": rfc3339(happened.now_ms),
        "data": data,
    });
    webhooks::Event {
        tenant: happened.tenant.clone(),
        // Standard Webhooks joins the id to the rest of what is signed by a full stop.
        id: happened.event_id.replace('.', "-"),
        kind: kind.to_owned(),
        body: body.to_string().into(),
        at_ms: happened.now_ms,
    }
}

fn rfc3339(unix_ms: u64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()?;
    moment.format(&Rfc3339).ok()
}
