//! One step of the machine while it is being decided.

use ids::Id;

use super::{Answer, Call, Doing, Output, Policy, Saga, State, Step, Told};
use crate::ledger::Amount;

/// The saga that is being changed, and what was asked for so far.
pub(super) struct Turn<'a> {
    pub(super) policy: &'a Policy,
    pub(super) saga: Saga,
    pub(super) now_ms: u64,
    outputs: Vec<Output>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(policy: &'a Policy, saga: &Saga, now_ms: u64) -> Self {
        Self {
            policy,
            saga: saga.clone(),
            now_ms,
            outputs: Vec::new(),
        }
    }

    pub(super) fn end(self) -> (Saga, Vec<Output>) {
        (self.saga, self.outputs)
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.outputs.push(Output::Tell(told));
    }

    pub(super) fn refund_ended(&mut self, id: Id, refused: Option<String>) {
        self.outputs.push(Output::RefundEnded { id, refused });
    }

    pub(super) fn resume(&mut self, refund: Option<(Id, Amount)>) {
        match self.saga.doing.as_mut() {
            None => self.at_rest(refund),
            Some(doing) => {
                if doing.begun {
                    // Its process was lost in the middle of it.
                    doing.uncertain = true;
                    if doing.step.is_at_processor() {
                        doing.call = Call::LookUp;
                    }
                    self.after_interruption();
                }
                self.begin();
            }
        }
    }

    /// What was to be undone at the processor is looked at anew.
    fn after_interruption(&mut self) {
        if let Some(doing) = self.saga.doing.as_mut()
            && matches!(doing.step, Step::CancelAuthorization | Step::ReturnCharge)
        {
            doing.step = Step::Settle;
        }
    }

    fn at_rest(&mut self, refund: Option<(Id, Amount)>) {
        match (self.saga.state, refund) {
            (State::Captured | State::PartiallyRefunded, Some((id, amount))) => self.begin_refund(id, amount),
            (state, refund) => {
                if let Some((id, _)) = refund {
                    self.refund_ended(id, Some("not_refundable".to_owned()));
                }
                if state == State::Failed && self.saga.authorize_sent_ms.is_some() {
                    // An authorization may have arrived after all: whoever woke us may have heard of one.
                    self.go_to(Step::Settle);
                } else {
                    self.rest();
                }
            }
        }
    }

    /// Makes the call that is next.
    pub(super) fn begin(&mut self) {
        if self.is_too_late() {
            self.give_up("deadline_exceeded");
            return;
        }
        let now_ms = self.now_ms;
        let Some(doing) = self.saga.doing.as_mut() else {
            return;
        };
        self.saga.ticket += 1;
        doing.begun = true;
        doing.tries = doing.tries.saturating_add(1);
        let (step, call) = (doing.step, doing.call);
        if (step, call) == (Step::Authorize, Call::Act) {
            self.saga.authorize_sent_ms = Some(now_ms);
        }
        self.outputs.push(Output::Make {
            ticket: self.saga.ticket,
            step,
            call,
        });
    }

    /// From the charge on there is no deadline: it is taken to its end.
    fn is_too_late(&self) -> bool {
        let Some(doing) = &self.saga.doing else {
            return false;
        };
        self.now_ms >= self.saga.deadline_ms
            && match doing.step {
                // A hold that may have been placed is first made certain.
                Step::Reserve => !doing.uncertain,
                Step::AssessRisk | Step::Authorize => true,
                Step::Charge => doing.call == Call::Act,
                _ => false,
            }
    }

    /// Goes on with another step at once.
    pub(super) fn go_to(&mut self, step: Step) {
        self.saga.doing = Some(Doing::of(step));
        self.begin();
    }

    /// Tries again after a pause.
    pub(super) fn again(&mut self, call: Call) {
        if let Some(doing) = self.saga.doing.as_mut() {
            doing.begun = false;
            doing.call = call;
            let until_ms = self.now_ms.saturating_add(self.policy.pause_ms(doing.tries));
            self.outputs.push(Output::SleepUntil(until_ms));
        }
    }

    /// Asks under another key for what was refused and has to be done all the same.
    pub(super) fn anew(&mut self) {
        if let Some(doing) = self.saga.doing.as_mut() {
            doing.round = doing.round.saturating_add(1);
        }
        self.again(Call::Act);
    }

    /// Goes on with another step after the pause that this one has earned.
    pub(super) fn later(&mut self, step: Step) {
        if let Some(doing) = self.saga.doing.as_mut() {
            let call = Doing::of(step).call;
            doing.step = step;
            self.again(call);
        }
    }

    pub(super) fn rest(&mut self) {
        self.saga.doing = None;
        self.outputs.push(Output::Rest);
    }

    pub(super) fn answered(&mut self, ticket: u32, answer: &Answer) {
        let Some(doing) = self.saga.doing.clone() else {
            return;
        };
        if !doing.begun || ticket != self.saga.ticket {
            return;
        }
        match (doing.call, answer) {
            (Call::Act, Answer::Done(charge)) => self.done(doing.step, charge.as_ref()),
            (Call::Act, Answer::Refused { code }) => self.refused(doing.step, code),
            (Call::Act, Answer::Unavailable) => self.again(Call::Act),
            (Call::Act, _) => self.unknown(doing.step),
            (Call::LookUp, Answer::Found(charge)) => self.found(doing.step, charge),
            (Call::LookUp, Answer::NotFound) => self.not_found(doing.step),
            // A lookup changes nothing: it is simply repeated.
            (Call::LookUp, _) => self.again(Call::LookUp),
        }
    }

    /// Nobody saw the end of it.
    fn unknown(&mut self, step: Step) {
        if let Some(doing) = self.saga.doing.as_mut() {
            doing.uncertain = true;
        }
        match step {
            Step::CancelAuthorization | Step::ReturnCharge => self.later(Step::Settle),
            _ if step.is_at_processor() => self.again(Call::LookUp),
            // The same command under the same claim settles it.
            _ => self.again(Call::Act),
        }
    }
}
