//! What a charge is and what may be done with it: pure.

use serde::{Deserialize, Serialize};

/// How a charge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The amount is set aside.
    Authorized,
    /// It was taken; what was set aside beyond that is let go.
    Captured,
    /// Some of what was taken was sent back.
    PartiallyRefunded,
    /// All of it was.
    Refunded,
    /// The authorization was given up.
    Voided,
    /// There was never one.
    Declined,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Authorized,
        Self::Captured,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Voided,
        Self::Declined,
    ];

    /// As the store keeps it and the API shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
            Self::Declined => "declined",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `ch_` and 32 hexadecimal digits.
    pub id: String,
    /// The caller's name for it.
    pub reference: String,
    /// What was asked for, in minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: String,
    /// The token.
    pub method: String,
    /// How it stands.
    pub status: Status,
    /// What was taken.
    pub captured: u64,
    /// What was sent back of it.
    pub refunded: u64,
    /// Why it was declined.
    pub decline_code: Option<String>,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds.
    pub updated_at_ms: u64,
}

/// What kind of money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementKind {
    /// Taken.
    Capture,
    /// Sent back.
    Refund,
}

impl MovementKind {
    /// As the store keeps it and a settlement shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Capture, Self::Refund]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Money that moved: a line of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// `cp_` or `re_` and 32 hexadecimal digits.
    pub id: String,
    /// Of which charge.
    pub charge_id: String,
    /// The caller's name for it: of a refund without one, the charge's.
    pub reference: String,
    /// What.
    pub kind: MovementKind,
    /// Minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: String,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// What is to be done with a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is made: authorized, declined, or (with `capture`) taken at once.
    Open {
        /// As [`Status::Authorized`] or [`Status::Declined`].
        charge: Charge,
        /// Whether it is taken at once.
        capture: bool,
    },
    /// Some or all of it is taken; the rest is let go.
    Capture {
        /// Of which.
        charge_id: String,
        /// How much; `None` is all.
        amount: Option<u64>,
    },
    /// The authorization is given up.
    Void {
        /// Of which.
        charge_id: String,
    },
    /// Some of what was taken is sent back.
    Refund {
        /// Of which.
        charge_id: String,
        /// How much; `None` is what is left.
        amount: Option<u64>,
        /// The caller's name for it.
        reference: Option<String>,
    },
}

/// Why a change was refused: nothing moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is none.
    #[error("there is no such charge")]
    NotFound,
    /// Only what is authorized can be captured, once.
    #[error("only an authorized charge can be captured, and only once")]
    NotCapturable,
    /// Only what is authorized can be voided.
    #[error("only an authorized charge can be voided: refund what was captured")]
    NotVoidable,
    /// Only what was captured can be refunded.
    #[error("only a captured charge can be refunded")]
    NotRefundable,
    /// More than there is.
    #[error("the amount is more than what is left of the charge")]
    AmountTooLarge,
    /// The means of payment takes nothing back.
    #[error("the issuer of the card refuses the refund")]
    RefundFailed,
}

impl Refusal {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotCapturable => "charge_not_capturable",
            Self::NotVoidable => "charge_not_voidable",
            Self::NotRefundable => "charge_not_refundable",
            Self::AmountTooLarge => "amount_too_large",
            Self::RefundFailed => "refund_failed",
        }
    }
}

/// What a webhook tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `charge.captured`.
    Captured,
    /// `charge.failed`: it was declined.
    Failed,
    /// `charge.refunded`, some or all of it.
    Refunded,
}

impl EventKind {
    /// The event's type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Captured => "charge.captured",
            Self::Failed => "charge.failed",
            Self::Refunded => "charge.refunded",
        }
    }
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The charge as it stands now.
    pub charge: Charge,
    /// The money that moved.
    pub movement: Option<Movement>,
    /// What is told.
    pub event: Option<EventKind>,
}

/// The token whose refunds fail.
const REFUND_FAILS: &str = "tok_refundFail";

impl Change {
    /// The charge that it is about, where that is there already.
    pub fn charge_id(&self) -> Option<&str> {
        match self {
            Self::Open { .. } => None,
            Self::Capture { charge_id, .. } | Self::Void { charge_id } | Self::Refund { charge_id, .. } => {
                Some(charge_id)
            }
        }
    }

    /// Decides it on the charge as it stands (`None`: there is none). What moves is called `movement_id`.
    pub fn decide(
        &self,
        standing: Option<Charge>,
        movement_id: &str,
        at_ms: u64,
    ) -> Result<Changed, Refusal> {
        if let Self::Open { charge, capture } = self {
            if charge.status == Status::Declined {
                return Ok(Changed {
                    charge: charge.clone(),
                    movement: None,
                    event: Some(EventKind::Failed),
                });
            }
            if !capture {
                return Ok(Changed {
                    charge: charge.clone(),
                    movement: None,
                    event: None,
                });
            }
            return captured(charge.clone(), None, movement_id, at_ms);
        }
        let mut charge = standing.ok_or(Refusal::NotFound)?;
        // The wall clock may have stepped back; a charge's own time does not.
        let at_ms = at_ms.max(charge.updated_at_ms);
        match self {
            Self::Open { .. } => unreachable!("decided above"),
            Self::Capture { amount, .. } => captured(charge, *amount, movement_id, at_ms),
            Self::Void { .. } if charge.status != Status::Authorized => Err(Refusal::NotVoidable),
            Self::Void { .. } => {
                charge.status = Status::Voided;
                charge.updated_at_ms = at_ms;
                Ok(Changed {
                    charge,
                    movement: None,
                    event: None,
                })
            }
            Self::Refund {
                amount, reference, ..
            } => refunded(charge, *amount, reference.clone(), movement_id, at_ms),
        }
    }
}

fn captured(mut charge: Charge, amount: Option<u64>, id: &str, at_ms: u64) -> Result<Changed, Refusal> {
    if charge.status != Status::Authorized {
        return Err(Refusal::NotCapturable);
    }
    let amount = amount.unwrap_or(charge.amount);
    if amount > charge.amount {
        return Err(Refusal::AmountTooLarge);
    }
    charge.status = Status::Captured;
    charge.captured = amount;
    charge.updated_at_ms = at_ms;
    let reference = charge.reference.clone();
    let movement = moved(&charge, MovementKind::Capture, id, amount, reference, at_ms);
    Ok(Changed {
        charge,
        movement: Some(movement),
        event: Some(EventKind::Captured),
    })
}

fn refunded(
    mut charge: Charge,
    amount: Option<u64>,
    reference: Option<String>,
    id: &str,
    at_ms: u64,
) -> Result<Changed, Refusal> {
    if !matches!(charge.status, Status::Captured | Status::PartiallyRefunded) {
        return Err(Refusal::NotRefundable);
    }
    if charge.method == REFUND_FAILS {
        return Err(Refusal::RefundFailed);
    }
    let left = charge.captured - charge.refunded;
    let amount = amount.unwrap_or(left);
    if amount > left {
        return Err(Refusal::AmountTooLarge);
    }
    charge.refunded += amount;
    charge.status = if charge.refunded == charge.captured {
        Status::Refunded
    } else {
        Status::PartiallyRefunded
    };
    charge.updated_at_ms = at_ms;
    let reference = reference.unwrap_or_else(|| charge.reference.clone());
    let movement = moved(&charge, MovementKind::Refund, id, amount, reference, at_ms);
    Ok(Changed {
        charge,
        movement: Some(movement),
        event: Some(EventKind::Refunded),
    })
}

fn moved(
    charge: &Charge,
    kind: MovementKind,
    id: &str,
    amount: u64,
    reference: String,
    at_ms: u64,
) -> Movement {
    Movement {
        id: id.to_owned(),
        charge_id: charge.id.clone(),
        reference,
        kind,
        amount,
        currency: charge.currency.clone(),
        at_ms,
    }
}
