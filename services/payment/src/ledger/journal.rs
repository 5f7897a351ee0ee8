//! What happened: the journal, its entries, and the holds.

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::{Amount, Currency, Posting};

/// Which side of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

impl Direction {
    /// As the store keeps it: 0 or 1.
    pub const fn code(self) -> i16 {
        match self {
            Self::Debit => 0,
            Self::Credit => 1,
        }
    }

    /// The other side.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }

    /// What an amount on this side does to debits minus credits.
    pub const fn signed(self, amount: Amount) -> i64 {
        match self {
            Self::Debit => amount.minor(),
            Self::Credit => -amount.minor(),
        }
    }
}

/// What a row of the journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// Two postings.
    Transfer,
    /// Any number of balanced postings, exchanges among them.
    Transaction,
    /// Money was set aside; no postings.
    Hold,
    /// Held money moved.
    Capture,
    /// A hold was let go; no postings.
    Void,
    /// A hold's time was over; no postings.
    Expiry,
    /// The opposite of an earlier row, whole or in part.
    Reversal,
    /// What a reconciliation decided.
    Adjustment,
}

impl JournalKind {
    /// All, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Transfer,
        Self::Transaction,
        Self::Hold,
        Self::Capture,
        Self::Void,
        Self::Expiry,
        Self::Reversal,
        Self::Adjustment,
    ];

    /// As it is called in documents and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Transaction => "transaction",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Expiry => "expiry",
            Self::Reversal => "reversal",
            Self::Adjustment => "adjustment",
        }
    }

    /// As the store and the chain keep it.
    ///
    /// # Panics
    /// Never: every kind is in the list.
    pub fn code(self) -> i16 {
        Self::ALL
            .iter()
            .position(|kind| *kind == self)
            .and_then(|place| i16::try_from(place).ok())
            .expect("every kind is in the list")
    }

    /// Read back from the store.
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code)
            .ok()
            .and_then(|place| Self::ALL.get(place).copied())
    }
}

/// One row of the journal: never changed, never deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Whose.
    pub tenant: Tenant,
    /// Its id; a hold's journal row has the hold's id.
    pub id: Id,
    /// What it is.
    pub kind: JournalKind,
    /// When, by the ledger's own order: never before an earlier entry of the same account. Unix milliseconds.
    pub at_ms: u64,
    /// The hold it is about.
    pub hold_id: Option<Id>,
    /// The row that this one reverses.
    pub refers_to: Option<Id>,
    /// Description, metadata, rate, and a hold's terms: a JSON object, byte for byte as it is chained.
    pub details: String,
    /// Its postings, by line.
    pub postings: Vec<Posting>,
    /// How much of it was reversed so far; 0 where nothing was.
    pub reversed: i64,
}

impl Journal {
    /// What the client said of it: a hold's terms, which are chained beside, are the service's own.
    pub fn told(&self) -> &str {
        let parted = self.details.split_once(super::command::BESIDE);
        match (self.kind, parted) {
            (JournalKind::Hold, Some((_, told))) => told.strip_suffix('}').unwrap_or(told),
            _ => &self.details,
        }
    }
}

/// One posting as it stands on its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub account_id: Id,
    /// Which part of it.
    pub part: u16,
    /// 1, 2, 3... within the part.
    pub seq: i64,
    /// The journal row it belongs to.
    pub journal_id: Id,
    /// Its place among the postings of that row.
    pub line: u32,
    /// Which side.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// The part's debits minus credits after it.
    pub balance_after: i64,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// What a row of the journal says to who reads one account's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSummary {
    /// The row.
    pub journal_id: Id,
    /// What it is.
    pub kind: JournalKind,
    /// As [`Journal::details`].
    pub details: String,
    /// The other account, where the row has two postings.
    pub counter_account_id: Option<Id>,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// It holds.
    Open,
    /// Captured: whole, or as much as was wanted.
    Captured,
    /// Let go.
    Voided,
    /// Its time was over.
    Expired,
}

impl HoldState {
    /// All, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Open, Self::Captured, Self::Voided, Self::Expired];

    /// As the store keeps it.
    pub const fn code(self) -> i16 {
        match self {
            Self::Open => 0,
            Self::Captured => 1,
            Self::Voided => 2,
            Self::Expired => 3,
        }
    }

    /// Read back from the store.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// Money set aside: what is captured of it moves, the rest is let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose.
    pub tenant: Tenant,
    /// Its id.
    pub id: Id,
    /// Will be debited.
    pub debit_account_id: Id,
    /// Will be credited.
    pub credit_account_id: Id,
    /// How much was set aside.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// How much of it moved.
    pub captured: i64,
    /// How much of it was let go.
    pub released: i64,
    /// Where it stands.
    pub state: HoldState,
    /// From then on nothing is captured of it. Unix milliseconds.
    pub expires_at_ms: u64,
    /// Unix milliseconds.
    pub created_at_ms: u64,
}

impl Hold {
    /// What can still be captured.
    pub fn remaining(&self) -> i64 {
        self.amount.minor() - self.captured - self.released
    }
}
