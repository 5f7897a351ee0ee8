//! What a webhook says, and how a charge looks on the wire.

use serde::Serialize;
use server::show_moment;

use crate::charge::{Charge, EventKind, Movement, Status};

/// Money that was sent back.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Refund)]
pub(crate) struct RefundBody {
    /// `re_` and 32 hexadecimal digits.
    pub(crate) id: String,
    /// The caller's name for it, or the charge's.
    pub(crate) reference: String,
    /// Minor units.
    #[schema(pattern = "^[1-9][0-9]*$")]
    pub(crate) amount: String,
    /// When, in UTC.
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
}

/// A charge.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Charge)]
pub(crate) struct ChargeBody {
    /// `ch_` and 32 hexadecimal digits.
    #[schema(pattern = "^ch_[0-9a-f]{32}$")]
    pub(crate) id: String,
    /// The caller's name for it.
    pub(crate) reference: String,
    /// What was asked for, in minor units.
    #[schema(pattern = "^[1-9][0-9]*$")]
    pub(crate) amount: String,
    /// ISO 4217.
    pub(crate) currency: String,
    /// The token.
    pub(crate) method: String,
    /// How it stands.
    pub(crate) status: Status,
    /// What was taken.
    #[schema(pattern = "^[0-9]+$")]
    pub(crate) captured_amount: String,
    /// What was sent back of it.
    #[schema(pattern = "^[0-9]+$")]
    pub(crate) refunded_amount: String,
    /// Why it was declined; `null` if it was not.
    #[schema(required)]
    pub(crate) decline_code: Option<String>,
    /// When it was made, in UTC.
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// When it last changed, in UTC.
    #[schema(format = DateTime)]
    pub(crate) updated_at: String,
    /// Its refunds, oldest first; only where one charge is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) refunds: Option<Vec<RefundBody>>,
}

impl ChargeBody {
    pub(crate) fn of(charge: &Charge) -> Self {
        Self {
            id: charge.id.clone(),
            reference: charge.reference.clone(),
            amount: charge.amount.to_string(),
            currency: charge.currency.clone(),
            method: charge.method.clone(),
            status: charge.status,
            captured_amount: charge.captured.to_string(),
            refunded_amount: charge.refunded.to_string(),
            decline_code: charge.decline_code.clone(),
            created_at: show_moment(charge.created_at_ms),
            updated_at: show_moment(charge.updated_at_ms),
            refunds: None,
        }
    }

    pub(crate) fn with_refunds(mut self, refunds: &[Movement]) -> Self {
        let refund = |movement: &Movement| RefundBody {
            id: movement.id.clone(),
            reference: movement.reference.clone(),
            amount: movement.amount.to_string(),
            created_at: show_moment(movement.at_ms),
        };
        self.refunds = Some(refunds.iter().map(refund).collect());
        self
    }
}

/// The body of a webhook (the payload that Standard Webhooks recommends).
#[derive(Serialize)]
struct EventBody {
    r#type: &'static str,
    timestamp: String,
    data: ChargeBody,
}

/// What is told of a charge as it stands after the event.
pub(crate) fn body(kind: EventKind, charge: &Charge) -> String {
    let body = EventBody {
        r#type: kind.name(),
        timestamp: show_moment(charge.updated_at_ms),
        data: ChargeBody::of(charge),
    };
    serde_json::to_string(&body).expect("texts and nothing else become JSON")
}
