//! The saga of a refund within the payment's.

use ids::Id;

use super::turn::Turn;
use super::{Call, Charge, RefundUnderWay, State, Step, Told};
use crate::ledger::Amount;

impl Turn<'_> {
    pub(super) fn begin_refund(&mut self, id: Id, amount: Amount) {
        if amount.minor() > self.saga.refundable() {
            self.refund_ended(id, Some("refund_exceeds".to_owned()));
            self.rest();
            return;
        }
        self.saga.state = State::Refunding;
        self.saga.refund = Some(RefundUnderWay {
            id,
            amount,
            refused: None,
        });
        self.go_to(Step::HoldRefund);
    }

    /// Refunds of a payment run one after another, so its sum tells whether this one is there.
    pub(super) fn refund_found(&mut self, charge: &Charge) {
        let wanted = self
            .saga
            .refund
            .as_ref()
            .map_or(0, |refund| refund.amount.minor());
        if charge.refunded >= self.saga.refunded.saturating_add(wanted) {
            self.go_to(Step::PostRefund);
        } else {
            self.again(Call::Act);
        }
    }

    pub(super) fn refund_posted(&mut self) {
        let Some(refund) = self.saga.refund.take() else {
            return;
        };
        self.saga.refunded = self.saga.refunded.saturating_add(refund.amount.minor());
        let whole = self.saga.refunded == self.saga.amount.minor();
        self.tell(Told::Refunded {
            id: refund.id,
            amount: refund.amount,
            whole,
        });
        self.refund_ended(refund.id, None);
        self.rest_after_refund();
    }

    /// The processor said no: its hold is let go.
    pub(super) fn release_refund(&mut self, code: &str) {
        if let Some(refund) = self.saga.refund.as_mut() {
            refund.refused = Some(code.to_owned());
        }
        self.go_to(Step::ReleaseRefund);
    }

    /// The processor has sent it back, and the ledger will never take it. It counts as gone, so that it is not sent again, its hold is let go, and it ends
    /// as refused: the settlement shows what the ledger has not, and a person puts that right.
    pub(super) fn refund_not_posted(&mut self) {
        let round = self.saga.doing.as_ref().map_or(0, |doing| doing.round);
        let amount = self
            .saga
            .refund
            .as_ref()
            .map_or(0, |refund| refund.amount.minor());
        self.saga.refunded = self.saga.refunded.saturating_add(amount);
        self.release_refund("refund_not_posted");
        if let Some(doing) = self.saga.doing.as_mut() {
            // The release was refused together with the posting, which the ledger remembers under the rounds so far.
            doing.round = round.saturating_add(1);
        }
    }

    pub(super) fn refund_released(&mut self) {
        let code = self
            .saga
            .refund
            .as_ref()
            .and_then(|refund| refund.refused.clone());
        self.refund_refused(code.as_deref().unwrap_or("refund_refused"));
    }

    /// It ended without an effect.
    pub(super) fn refund_refused(&mut self, code: &str) {
        if let Some(refund) = self.saga.refund.take() {
            self.refund_ended(refund.id, Some(code.to_owned()));
        }
        self.rest_after_refund();
    }

    fn rest_after_refund(&mut self) {
        self.saga.state = match self.saga.refunded {
            0 => State::Captured,
            refunded if refunded == self.saga.amount.minor() => State::Refunded,
            _ => State::PartiallyRefunded,
        };
        self.rest();
    }
}
