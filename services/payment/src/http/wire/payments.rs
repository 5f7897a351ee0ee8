//! Payments and refunds, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{cursor, show_moment};
use crate::ledger::{Amount, Currency};
use crate::operations::payments::{CreatePayment, Payer};
use crate::payment::{Payment, PaymentHistory, Refund, RefundState, StepOutcome, StepRecord};
use crate::protocol::saga::{Call, State, Step};

/// A payment to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPayment, example = json!({"payer_account_id": "1001", "merchant_account_id": "1002", "amount": "700", "currency": "EUR", "method": {"token": "tok_visa"}}))]
pub(in crate::http) struct NewPaymentBody {
    /// Which account pays.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    payer_account_id: String,
    /// Which account gets it.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    merchant_account_id: String,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// That of both accounts.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// What is paid with.
    method: MethodBody,
    /// Who pays; kept encrypted.
    #[schema(nullable = false)]
    payer: Option<PayerBody>,
    /// For people.
    #[schema(min_length = 1, max_length = 500, nullable = false)]
    description: Option<String>,
}

/// A means of payment: a token of the processor. Card numbers are refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PaymentMethod)]
pub(in crate::http) struct MethodBody {
    /// The token. Test tokens: `tok_visa` passes, others are declined or stopped by the risk check.
    #[schema(pattern = "^tok_[A-Za-z0-9_]{1,124}$")]
    token: String,
}

/// Who pays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Payer)]
pub(in crate::http) struct PayerBody {
    /// As it stands on the receipt.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Where the receipt goes.
    #[schema(min_length = 1, max_length = 200)]
    email: String,
}

impl NewPaymentBody {
    pub(in crate::http) fn into_request(self) -> CreatePayment {
        CreatePayment {
            payer_account_id: self.payer_account_id,
            merchant_account_id: self.merchant_account_id,
            amount: self.amount,
            currency: self.currency,
            method: self.method.token,
            payer: self.payer.map(|payer| Payer {
                name: payer.name,
                email: payer.email,
            }),
            description: self.description,
        }
    }
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub(in crate::http) struct PaymentBody {
    #[schema(value_type = String)]
    id: ids::Id,
    /// Where it stands: `created`, `reserved`, `risk_checked`, `charging`, `charged`, then `captured` (it succeeded), or `compensating` and `failed`; a
    /// captured one may go on to `refunding`, `partially_refunded` and `refunded`.
    state: State,
    #[schema(value_type = String)]
    payer_account_id: ids::Id,
    #[schema(value_type = String)]
    merchant_account_id: ids::Id,
    /// Minor units.
    #[schema(value_type = String)]
    amount: Amount,
    #[schema(value_type = String)]
    currency: Currency,
    method: ShownMethodBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Minor units that went back.
    refunded: String,
    /// Why it failed: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// Ids of its rows in the ledger, once they are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    hold_id: Option<ids::Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    transfer_id: Option<ids::Id>,
    created_at: String,
    updated_at: String,
    /// What was tried, in order; of a payment by itself only.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepBody>>,
    /// What went back or is to; of a payment by itself only.
    #[serde(skip_serializing_if = "Option::is_none")]
    refunds: Option<Vec<RefundBody>>,
}

/// A means of payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownPaymentMethod)]
pub(in crate::http) struct ShownMethodBody {
    token: String,
}

/// One call of a payment's saga.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentStep)]
pub(in crate::http) struct StepBody {
    place: u32,
    step: Step,
    /// `act`: it was to be done; `look_up`: the processor was asked whether it was.
    call: Call,
    /// Whether it undoes an earlier one.
    compensation: bool,
    began_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<StepOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// How much is to go back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRefund, example = json!({"amount": "200"}))]
pub(in crate::http) struct NewRefundBody {
    /// Minor units; all that is left, where it is not said.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    pub(in crate::http) amount: Option<String>,
}

/// A refund.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refund)]
pub(in crate::http) struct RefundBody {
    #[schema(value_type = String)]
    id: ids::Id,
    #[schema(value_type = String)]
    payment_id: ids::Id,
    #[schema(value_type = String)]
    amount: Amount,
    state: RefundState,
    /// Why it was refused: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// The reversal in the ledger, once it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    transfer_id: Option<ids::Id>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

/// A page of payments, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentList)]
pub(in crate::http) struct PaymentListBody {
    items: Vec<PaymentBody>,
    next_cursor: Option<String>,
}

impl PaymentBody {
    pub(in crate::http) fn of(payment: &Payment) -> Self {
        let saga = &payment.saga;
        let moved = matches!(
            saga.state,
            State::Captured | State::Refunding | State::PartiallyRefunded | State::Refunded
        );
        Self {
            id: payment.id,
            state: saga.state,
            payer_account_id: payment.payer_account_id,
            merchant_account_id: payment.merchant_account_id,
            amount: payment.amount,
            currency: payment.currency,
            method: ShownMethodBody {
                token: payment.method.to_string(),
            },
            description: payment.description.clone(),
            refunded: saga.refunded.to_string(),
            failure: saga.failure.clone(),
            hold_id: (saga.reserved).then_some(payment.rows.hold),
            transfer_id: moved.then_some(payment.rows.capture),
            created_at: show_moment(payment.created_at_ms),
            updated_at: show_moment(payment.updated_at_ms),
            steps: None,
            refunds: None,
        }
    }

    pub(in crate::http) fn with_history(history: &PaymentHistory) -> Self {
        Self {
            steps: Some(history.steps.iter().map(StepBody::of).collect()),
            refunds: Some(history.refunds.iter().map(RefundBody::of).collect()),
            ..Self::of(&history.payment)
        }
    }
}

impl StepBody {
    fn of(record: &StepRecord) -> Self {
        Self {
            place: record.place,
            step: record.step,
            call: record.call,
            compensation: record.step.is_compensation(),
            began_at: show_moment(record.began_at_ms),
            ended_at: record.ended_at_ms.map(show_moment),
            outcome: record.outcome,
            code: record.code.clone(),
        }
    }
}

impl RefundBody {
    pub(in crate::http) fn of(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            payment_id: refund.payment_id,
            amount: refund.amount,
            state: refund.state,
            failure: refund.refused.clone(),
            transfer_id: (refund.state == RefundState::Done).then_some(refund.rows.reversal),
            created_at: show_moment(refund.created_at_ms),
            ended_at: refund.ended_at_ms.map(show_moment),
        }
    }
}

impl PaymentListBody {
    pub(in crate::http) fn of(payments: &[Payment], next: Option<ids::Id>) -> Self {
        Self {
            items: payments.iter().map(PaymentBody::of).collect(),
            next_cursor: next.map(cursor::show),
        }
    }
}
