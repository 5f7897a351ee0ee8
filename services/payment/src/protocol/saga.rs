//! The saga of a payment as a pure state machine: [`Policy::step`] takes a state and what happened, and gives the next state and what
//! is to be done. It reads no clock and calls nobody, so its tests run through every interleaving.
//!
//! Forward: [`Reserve`](Step::Reserve) (a hold in the ledger), [`AssessRisk`](Step::AssessRisk), [`Authorize`](Step::Authorize) and
//! [`Charge`](Step::Charge) at the processor, [`Capture`](Step::Capture) of the hold. Whatever is refused, or not charged by the deadline,
//! is undone in reverse: the processor's side first ([`Settle`](Step::Settle) looks what stands there, [`CancelAuthorization`] or
//! [`ReturnCharge`] undoes it, and `Settle` looks again), then [`ReleaseHold`](Step::ReleaseHold). Compensations have no deadline: they are
//! tried again until they are done.
//!
//! A refund is a saga within: the merchant's money is held ([`HoldRefund`](Step::HoldRefund)), sent back by the processor
//! ([`SendRefund`](Step::SendRefund)) and posted ([`PostRefund`](Step::PostRefund): the hold goes and the capture is reversed in one commit);
//! a refusal by the processor lets go of the hold again ([`ReleaseRefund`](Step::ReleaseRefund)).
//!
//! Who drives it keeps three rules. The state is stored before what it says is done. Every act carries a key that is the same on every
//! attempt, so that a late copy of it has no second effect. An act whose end nobody saw is answered as [`Answer::Unknown`], and one whose
//! process died is resumed: at the ledger the same command settles it, at the processor a *lookup*; a charge is sent again only after the
//! lookup said that it is not there. The ledger and the processor are trusted to remember what they said under a key, refusals too.
//!
//! [`CancelAuthorization`]: Step::CancelAuthorization
//! [`ReturnCharge`]: Step::ReturnCharge

mod compensate;
mod forward;
mod policy;
mod refund;
mod turn;

#[cfg(test)]
mod tests;

pub use policy::Policy;

use ids::Id;
use serde::{Deserialize, Serialize};

use crate::ledger::Amount;

/// Where a payment stands; what its resource shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is written down, and nothing has happened.
    Created,
    /// The payer's money is held.
    Reserved,
    /// The risk check let it pass.
    RiskChecked,
    /// The processor is asked to authorize and to charge.
    Charging,
    /// The processor has charged.
    Charged,
    /// The ledger has moved the money: it succeeded.
    Captured,
    /// It failed, and what was done is being undone.
    Compensating,
    /// It failed, and nothing of it is left.
    Failed,
    /// A refund is under way.
    Refunding,
    /// A part went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
}

impl State {
    /// All, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Reserved,
        Self::RiskChecked,
        Self::Charging,
        Self::Charged,
        Self::Captured,
        Self::Compensating,
        Self::Failed,
        Self::Refunding,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// As the store keeps it and the API shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reserved => "reserved",
            Self::RiskChecked => "risk_checked",
            Self::Charging => "charging",
            Self::Charged => "charged",
            Self::Captured => "captured",
            Self::Compensating => "compensating",
            Self::Failed => "failed",
            Self::Refunding => "refunding",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more happens by itself.
    pub const fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::Captured | Self::Failed | Self::PartiallyRefunded | Self::Refunded
        )
    }
}

/// One thing to be done, by the ledger, the processor or the risk check.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Hold the payer's money for the merchant.
    Reserve,
    /// Ask the rules.
    AssessRisk,
    /// Have the processor set the amount aside.
    Authorize,
    /// Have the processor take it.
    Charge,
    /// Capture the hold.
    Capture,
    /// Look what stands at the processor, to undo it.
    Settle,
    /// Give up an authorization at the processor.
    CancelAuthorization,
    /// Send back at the processor what was charged.
    ReturnCharge,
    /// Let go of the hold.
    ReleaseHold,
    /// Hold the merchant's money for the payer.
    HoldRefund,
    /// Have the processor send it back.
    SendRefund,
    /// Reverse so much of the capture, and let go of that hold.
    PostRefund,
    /// The processor refused the refund: let go of its hold.
    ReleaseRefund,
}

impl Step {
    /// All.
    pub const ALL: [Self; 13] = [
        Self::Reserve,
        Self::AssessRisk,
        Self::Authorize,
        Self::Charge,
        Self::Capture,
        Self::Settle,
        Self::CancelAuthorization,
        Self::ReturnCharge,
        Self::ReleaseHold,
        Self::HoldRefund,
        Self::SendRefund,
        Self::PostRefund,
        Self::ReleaseRefund,
    ];

    /// As the store keeps it and the API shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::AssessRisk => "assess_risk",
            Self::Authorize => "authorize",
            Self::Charge => "charge",
            Self::Capture => "capture",
            Self::Settle => "settle",
            Self::CancelAuthorization => "cancel_authorization",
            Self::ReturnCharge => "return_charge",
            Self::ReleaseHold => "release_hold",
            Self::HoldRefund => "hold_refund",
            Self::SendRefund => "send_refund",
            Self::PostRefund => "post_refund",
            Self::ReleaseRefund => "release_refund",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Whether it undoes something.
    pub const fn is_compensation(self) -> bool {
        matches!(
            self,
            Self::Settle
                | Self::CancelAuthorization
                | Self::ReturnCharge
                | Self::ReleaseHold
                | Self::ReleaseRefund
        )
    }

    /// Whether the processor does it: then an unknown end is settled by a lookup.
    pub const fn is_at_processor(self) -> bool {
        matches!(
            self,
            Self::Authorize
                | Self::Charge
                | Self::Settle
                | Self::CancelAuthorization
                | Self::ReturnCharge
                | Self::SendRefund
        )
    }
}

/// Whether a step is to be done, or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Do it.
    Act,
    /// Ask the processor what stands under the payment's reference.
    LookUp,
}

impl Call {
    /// As the store keeps it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::LookUp => "look_up",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Act, Self::LookUp]
            .into_iter()
            .find(|call| call.name() == name)
    }
}

/// The step that comes next or is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Doing {
    /// Which.
    pub step: Step,
    /// Do it, or look.
    pub call: Call,
    /// Whether it was begun. Stored before it is: one that is found begun was interrupted.
    pub begun: bool,
    /// How often it was begun, lookups included: what the pause before the next try grows by.
    pub tries: u32,
    /// Whether an earlier try may have had its effect.
    pub uncertain: bool,
    /// How often it was refused and is asked for anew all the same: a part of its key, for refusals are remembered.
    pub round: u32,
}

/// A refund under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundUnderWay {
    /// Which.
    pub id: Id,
    /// How much.
    pub amount: Amount,
    /// Why the processor refused it, once it has.
    pub refused: Option<String>,
}

/// The state of a payment's saga: all that is needed to go on, in any process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Saga {
    /// Where it stands.
    pub state: State,
    /// Of how much.
    pub amount: Amount,
    /// What is not charged by then is undone. Unix milliseconds.
    pub deadline_ms: u64,
    /// The step that comes next or is under way; nothing at rest.
    pub doing: Option<Doing>,
    /// How many calls were begun; the last one's number tells its answer from those that come late.
    pub ticket: u32,
    /// Whether the hold stands.
    pub reserved: bool,
    /// When the processor was last asked to authorize: from then on something may stand there. Unix milliseconds.
    pub authorize_sent_ms: Option<u64>,
    /// The processor's name for the charge.
    pub charge_id: Option<String>,
    /// How much of a charge that is being undone has to go back.
    pub to_return: i64,
    /// How much went back.
    pub refunded: i64,
    /// The refund under way.
    pub refund: Option<RefundUnderWay>,
    /// Why it failed: a stable code.
    pub failure: Option<String>,
    /// Whether the world was told that it failed.
    pub failure_told: bool,
}

impl Saga {
    /// Of a payment that was just made.
    pub fn new(amount: Amount, deadline_ms: u64) -> Self {
        Self {
            state: State::Created,
            amount,
            deadline_ms,
            doing: Some(Doing::of(Step::Reserve)),
            ticket: 0,
            reserved: false,
            authorize_sent_ms: None,
            charge_id: None,
            to_return: 0,
            refunded: 0,
            refund: None,
            failure: None,
            failure_told: false,
        }
    }

    /// What may still be refunded, requests that wait not counted.
    pub fn refundable(&self) -> i64 {
        match self.state {
            State::Captured | State::PartiallyRefunded | State::Refunding => {
                self.amount.minor() - self.refunded
            }
            _ => 0,
        }
    }
}

impl Doing {
    /// A step to be done.
    fn of(step: Step) -> Self {
        let call = if step == Step::Settle {
            Call::LookUp
        } else {
            Call::Act
        };
        Self {
            step,
            call,
            begun: false,
            tries: 0,
            uncertain: false,
            round: 0,
        }
    }
}

/// How a charge stands at the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChargeStatus {
    /// Set aside.
    Authorized,
    /// Taken; some or all of it may have gone back.
    Captured,
    /// The authorization was given up, or ran out.
    Voided,
    /// It was refused.
    Declined,
}

impl ChargeStatus {
    /// As the history shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Declined => "declined",
        }
    }
}

/// A charge as the processor tells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Charge {
    /// The processor's name for it.
    pub id: String,
    /// How it stands.
    pub status: ChargeStatus,
    /// Of how much.
    pub amount: i64,
    /// How much was taken.
    pub captured: i64,
    /// How much of that went back.
    pub refunded: i64,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is done; by the processor, with the charge as it stands.
    Done(Option<Charge>),
    /// It was refused, and certainly not done.
    Refused {
        /// Why: a stable code.
        code: String,
    },
    /// It may or may not have been done: no answer, or none that says.
    Unknown,
    /// It was certainly not done, and may be tried again.
    Unavailable,
    /// To a lookup: this stands there.
    Found(Charge),
    /// To a lookup: nothing stands there now.
    NotFound,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// A process has taken the saga up: it is due, its former process was lost, somebody woke it (a webhook of the processor, a refund
    /// asked for).
    Resume {
        /// Unix milliseconds.
        now_ms: u64,
        /// The oldest refund that waits.
        refund: Option<(Id, Amount)>,
    },
    /// A call ended.
    Answered {
        /// Unix milliseconds.
        now_ms: u64,
        /// Which call.
        ticket: u32,
        /// How.
        answer: Answer,
    },
}

/// Told to the world in the transaction that stores the state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Told {
    /// The processor set the amount aside.
    Authorized,
    /// It succeeded.
    Captured,
    /// It failed, and all of it is undone.
    Failed,
    /// A refund went through.
    Refunded {
        /// Which.
        id: Id,
        /// How much.
        amount: Amount,
        /// Whether nothing is left.
        whole: bool,
    },
}

/// What is to be done. All of it is stored, with the state, before the first call is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// Make this call and answer it under this number. At most one at a time.
    Make {
        /// The number.
        ticket: u32,
        /// Of which step.
        step: Step,
        /// Do it, or look.
        call: Call,
    },
    /// Tell the world.
    Tell(Told),
    /// A refund ended: done, or refused with a code.
    RefundEnded {
        /// Which.
        id: Id,
        /// Why it was refused.
        refused: Option<String>,
    },
    /// Let go of the saga; resume it then. Unix milliseconds.
    SleepUntil(u64),
    /// Let go of the saga; nothing more happens by itself.
    Rest,
}
