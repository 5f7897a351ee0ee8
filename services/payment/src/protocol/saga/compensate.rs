//! The way back: the processor's side first, then the hold.

use super::turn::Turn;
use super::{Call, Charge, ChargeStatus, State, Step, Told};

impl Turn<'_> {
    /// It cannot succeed any more: what was done is undone in reverse.
    pub(super) fn give_up(&mut self, code: &str) {
        self.saga.state = State::Compensating;
        self.saga.failure.get_or_insert_with(|| code.to_owned());
        if self.saga.authorize_sent_ms.is_some() {
            self.go_to(Step::Settle);
        } else {
            self.release_hold();
        }
    }

    /// What stands at the processor, as a lookup says.
    pub(super) fn settle(&mut self, charge: Option<&Charge>) {
        let Some(charge) = charge else {
            return self.nothing_there();
        };
        let undo = match charge.status {
            ChargeStatus::Authorized => Some(Step::CancelAuthorization),
            ChargeStatus::Captured if charge.captured > charge.refunded => Some(Step::ReturnCharge),
            _ => None,
        };
        match undo {
            Some(step) => {
                self.saga.state = State::Compensating;
                self.saga.to_return = charge.captured.saturating_sub(charge.refunded);
                let tries = self.saga.doing.as_ref().map_or(0, |doing| doing.tries);
                self.go_to(step);
                self.keep_tries(tries);
            }
            None => self.release_hold(),
        }
    }

    /// An authorization that was sent and is not found may still be on its way.
    fn nothing_there(&mut self) {
        let sent_ms = self.saga.authorize_sent_ms.unwrap_or_default();
        let settled = self.now_ms >= sent_ms.saturating_add(self.policy.settle_ms);
        if settled || self.saga.state == State::Failed {
            self.release_hold();
        } else {
            self.again(Call::LookUp);
        }
    }

    /// It was done, says the answer: a lookup has to say the same.
    pub(super) fn look_again(&mut self) {
        let tries = self.saga.doing.as_ref().map_or(0, |doing| doing.tries);
        self.go_to(Step::Settle);
        self.keep_tries(tries);
    }

    /// So that the pauses of a compensation that does not succeed grow from round to round.
    fn keep_tries(&mut self, tries: u32) {
        if let Some(doing) = self.saga.doing.as_mut() {
            doing.tries = doing.tries.saturating_add(tries);
        }
    }

    fn release_hold(&mut self) {
        if self.saga.reserved {
            self.go_to(Step::ReleaseHold);
        } else {
            self.fail();
        }
    }

    /// The hold is gone.
    pub(super) fn released(&mut self) {
        self.saga.reserved = false;
        self.fail();
    }

    fn fail(&mut self) {
        self.saga.state = State::Failed;
        if !std::mem::replace(&mut self.saga.failure_told, true) {
            self.tell(Told::Failed);
        }
        self.rest();
    }
}
