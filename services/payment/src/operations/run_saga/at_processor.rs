//! Steps that the processor does, and the risk check before them.

use super::SagaRunner;
use crate::ledger::Amount;
use crate::operations::payments::velocity_window;
use crate::payment::Payment;
use crate::processor::Request;
use crate::protocol::saga::{Answer, Step};
use crate::store::payments::Leased;

impl SagaRunner {
    pub(super) async fn assess_risk(&self, payment: &Payment) -> Answer {
        let window_ms = velocity_window(payment.created_at_ms);
        let counted = self
            .payments
            .payments_in_window(&payment.tenant, payment.payer_account_id, window_ms)
            .await;
        let Ok(counted) = counted else {
            return Answer::Unavailable;
        };
        match self.risk.judge(&payment.method, payment.amount, counted) {
            None => Answer::Done(None),
            Some(code) => Answer::Refused {
                code: code.to_owned(),
            },
        }
    }

    /// Under a key that is the same on every attempt. Compensations get one an attempt: each is preceded by a lookup, the processor sends back
    /// no more than it took, and a refusal under the same key would be remembered for ever.
    pub(super) async fn act_at_processor(&self, leased: &Leased, step: Step) -> Answer {
        let payment = &leased.payment;
        let reference = payment.reference();
        let Some((key, request)) = request(leased, step) else {
            tracing::error!(payment = %payment.id, step = step.name(), "a step without what it needs");
            return Answer::Unavailable;
        };
        self.processor.act(&reference, &key, &request).await
    }
}

fn request(leased: &Leased, step: Step) -> Option<(String, Request)> {
    let payment = &leased.payment;
    let charge_id = || payment.saga.charge_id.clone();
    let key = |name: &str| format!("{}/{name}", payment.reference());
    let ticket = payment.saga.ticket;
    Some(match step {
        Step::Authorize => (
            key("authorize"),
            Request::Authorize {
                amount: payment.amount,
                currency: payment.currency,
                method: payment.method.as_str().to_owned(),
            },
        ),
        Step::Charge => (
            key("charge"),
            Request::Capture {
                charge_id: charge_id()?,
                amount: payment.amount,
            },
        ),
        Step::CancelAuthorization => (
            key(&format!("cancel/{ticket}")),
            Request::Void {
                charge_id: charge_id()?,
            },
        ),
        Step::ReturnCharge => (
            key(&format!("return/{ticket}")),
            Request::Refund {
                charge_id: charge_id()?,
                amount: Amount::from_minor(payment.saga.to_return)?,
            },
        ),
        Step::SendRefund => {
            let refund = payment.saga.refund.as_ref()?;
            (
                format!("refund/{}", refund.id),
                Request::Refund {
                    charge_id: charge_id()?,
                    amount: refund.amount,
                },
            )
        }
        _ => return None,
    })
}
