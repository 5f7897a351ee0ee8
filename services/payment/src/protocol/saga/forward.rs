//! The way to success.

use super::turn::Turn;
use super::{Call, Charge, ChargeStatus, State, Step, Told};

impl Turn<'_> {
    /// A step is done.
    pub(super) fn done(&mut self, step: Step, charge: Option<&Charge>) {
        match step {
            Step::Reserve => {
                self.saga.reserved = true;
                self.saga.state = State::Reserved;
                self.go_to(Step::AssessRisk);
            }
            Step::AssessRisk => {
                self.saga.state = State::RiskChecked;
                self.ask_processor();
            }
            Step::Authorize => self.authorized(charge),
            Step::Charge => self.charged(charge),
            Step::Capture => {
                self.saga.state = State::Captured;
                self.tell(Told::Captured);
                self.rest();
            }
            // What it says is believed only when a lookup says the same.
            Step::Settle | Step::CancelAuthorization | Step::ReturnCharge => self.look_again(),
            Step::ReleaseHold => self.released(),
            Step::HoldRefund => self.go_to(Step::SendRefund),
            Step::SendRefund => self.go_to(Step::PostRefund),
            Step::PostRefund => self.refund_posted(),
            Step::ReleaseRefund => self.refund_released(),
        }
    }

    fn ask_processor(&mut self) {
        self.go_to(Step::Authorize);
        if self.saga.state == State::RiskChecked {
            self.saga.state = State::Charging;
        }
    }

    fn authorized(&mut self, charge: Option<&Charge>) {
        if let Some(charge) = charge {
            self.saga.charge_id = Some(charge.id.clone());
            if charge.amount != self.saga.amount.minor() {
                self.give_up("processor_amount_differs");
                return;
            }
        }
        self.tell(Told::Authorized);
        self.go_to(Step::Charge);
    }

    fn charged(&mut self, charge: Option<&Charge>) {
        if charge.is_some_and(|charge| charge.captured != self.saga.amount.minor()) {
            self.give_up("processor_amount_differs");
            return;
        }
        self.saga.state = State::Charged;
        self.go_to(Step::Capture);
    }

    /// A step was refused: certainly not done, and it never will be.
    pub(super) fn refused(&mut self, step: Step, code: &str) {
        match step {
            Step::Reserve | Step::AssessRisk | Step::Charge | Step::Capture => self.give_up(code),
            Step::Authorize => {
                // The processor has decided on this key: nothing will stand there. An earlier try of unknown end may have been decided otherwise by
                // then, so a lookup has to say the same.
                if !self.saga.doing.as_ref().is_some_and(|doing| doing.uncertain) {
                    self.saga.authorize_sent_ms = None;
                }
                self.give_up(code);
            }
            Step::Settle | Step::CancelAuthorization | Step::ReturnCharge => self.later(Step::Settle),
            Step::PostRefund if never_passes(code) => self.refund_not_posted(),
            Step::ReleaseHold | Step::PostRefund | Step::ReleaseRefund => self.anew(),
            Step::HoldRefund => self.refund_refused(code),
            Step::SendRefund => self.release_refund(code),
        }
    }

    /// A lookup found the charge.
    pub(super) fn found(&mut self, step: Step, charge: &Charge) {
        self.saga.charge_id = Some(charge.id.clone());
        match (step, charge.status) {
            (Step::Settle, _) => self.settle(Some(charge)),
            (Step::SendRefund, _) => self.refund_found(charge),
            (Step::Authorize, ChargeStatus::Authorized | ChargeStatus::Captured) => {
                self.authorized(Some(charge));
            }
            (Step::Charge, ChargeStatus::Captured) => self.charged(Some(charge)),
            (Step::Authorize | Step::Charge, ChargeStatus::Declined) => self.refused(step, "card_declined"),
            (Step::Authorize | Step::Charge, ChargeStatus::Voided) => {
                self.refused(step, "authorization_voided");
            }
            // Also a charge that is authorized and no more: it was not captured, and now may be.
            _ => self.again(Call::Act),
        }
    }

    /// A lookup found nothing.
    pub(super) fn not_found(&mut self, step: Step) {
        match step {
            Step::Settle => self.settle(None),
            // It was there before: the processor is not itself, and is asked again.
            Step::SendRefund => self.again(Call::LookUp),
            Step::Charge => self.give_up("charge_not_found"),
            // Not there: now it may be sent again. One that is still on its way has the same key.
            _ => self.again(Call::Act),
        }
    }
}

/// Whether the ledger will say the same however often it is asked: nothing that happens there takes it away again.
fn never_passes(code: &str) -> bool {
    const FOR_EVER: [&str; 7] = [
        "account_closed",
        "account_not_found",
        "currency_mismatch",
        "id_taken",
        "not_reversible",
        "reversal_exceeds",
        "transfer_not_found",
    ];
    FOR_EVER.contains(&code)
}
