//! What an account holds.

use super::{AccountKind, Currency};

/// The balance of one part of an account as stored: debits minus credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartBalance {
    /// Debits minus credits of all entries.
    pub posted: i64,
    /// Held, to be debited.
    pub hold_debits: i64,
    /// Held, to be credited.
    pub hold_credits: i64,
    /// How many entries there are: the sequence of the last.
    pub entries: i64,
    /// The time of the last entry, Unix milliseconds.
    pub last_at_ms: u64,
}

/// An account's balance over all its parts, on its normal side. 128 bits, for parts may sum past 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The normal balance of all entries.
    pub posted: i128,
    /// Held, to make it smaller.
    pub pending_out: i128,
    /// Held, to make it larger.
    pub pending_in: i128,
    /// How many entries it is made of: of an account of one part the sequence of the last.
    pub sequence: i64,
    /// Which moment this is the balance of, Unix milliseconds.
    pub as_of_ms: u64,
}

impl Balance {
    /// Of stored parts (debits minus credits) as an account of `kind` shows them.
    pub fn of(kind: AccountKind, parts: &[PartBalance], as_of_ms: u64) -> Self {
        let sum =
            |field: fn(&PartBalance) -> i64| parts.iter().map(|part| i128::from(field(part))).sum::<i128>();
        let (posted, debits, credits) = (
            sum(|part| part.posted),
            sum(|part| part.hold_debits),
            sum(|part| part.hold_credits),
        );
        let (posted, pending_in, pending_out) = if kind.is_debit_normal() {
            (posted, debits, credits)
        } else {
            (-posted, credits, debits)
        };
        Self {
            posted,
            pending_out,
            pending_in,
            sequence: parts.iter().map(|part| part.entries).sum(),
            as_of_ms,
        }
    }

    /// What may still be taken.
    pub fn available(&self) -> i128 {
        self.posted - self.pending_out
    }
}

/// All accounts of a currency and kind, summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialBalanceLine {
    /// Which currency.
    pub currency: Currency,
    /// Which kind.
    pub kind: AccountKind,
    /// How many accounts.
    pub accounts: u64,
    /// Sum over the accounts whose debits exceed their credits: the debit column.
    pub debits: i128,
    /// The credit column.
    pub credits: i128,
}
