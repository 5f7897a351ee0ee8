//! The payment processor, a third party: what is asked of it and what its answers mean.
//!
//! It is trusted with three things: an `Idempotency-Key` has one effect and one answer, refusals included; a charge is found by the reference
//! that it was made under; its settlement of a day does not change. All else is looked up.

mod answer;
mod client;
mod settlement;

pub use client::{AddressError, ProcessorClient};
pub use settlement::{SettlementError, SettlementKind, SettlementRow, read_settlement};

use crate::ledger::{Amount, Currency};

/// What the processor is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Set an amount aside.
    Authorize {
        /// How much.
        amount: Amount,
        /// Of what.
        currency: Currency,
        /// The token.
        method: String,
    },
    /// Take it.
    Capture {
        /// Of which charge.
        charge_id: String,
        /// How much.
        amount: Amount,
    },
    /// Give up an authorization.
    Void {
        /// Of which charge.
        charge_id: String,
    },
    /// Send some of it back.
    Refund {
        /// Of which charge.
        charge_id: String,
        /// How much.
        amount: Amount,
    },
}
