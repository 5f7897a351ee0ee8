//! What is asked of the ledger, one atomic thing each.

use std::borrow::Cow;

use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;

use super::{Amount, Currency, Direction, Hold, Journal, JournalKind};

/// The most postings of one transaction.
pub const POSTINGS_MAX: usize = 1_000;

/// Between a hold's terms and what the client said of it.
pub(super) const BESIDE: &str = r#","details":"#;

/// One line of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Of the same tenant.
    pub account_id: Id,
    /// Which side.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// The account's own.
    pub currency: Currency,
}

/// The idempotency record of a command: written in the effect's own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of tenant, user and key.
    pub key: [u8; 32],
    /// What was asked for under it.
    pub fingerprint: Fingerprint,
    /// Kept at least until then. Unix milliseconds.
    pub expires_at_ms: u64,
}

/// A balanced transaction to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransaction {
    /// [`JournalKind::Transfer`], [`JournalKind::Transaction`] or [`JournalKind::Adjustment`].
    pub kind: JournalKind,
    /// 2 to [`POSTINGS_MAX`]; debits equal credits per currency: the operations see to it, the store refuses to trust it.
    pub postings: Vec<Posting>,
}

/// A hold to be placed. Its id is the command's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHold {
    /// To be debited.
    pub debit_account_id: Id,
    /// To be credited.
    pub credit_account_id: Id,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// From then on nothing is captured of it. Unix milliseconds.
    pub expires_at_ms: u64,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Post it.
    Transact(NewTransaction),
    /// Set money aside.
    Hold(NewHold),
    /// Move held money: `amount`, or all that is left. `last` lets go of the rest.
    Capture {
        /// Which hold.
        hold_id: Id,
        /// How much.
        amount: Option<Amount>,
        /// Whether what is left is let go.
        last: bool,
    },
    /// Let go of a hold.
    Void {
        /// Which hold.
        hold_id: Id,
    },
    /// Let go of a hold whose time is over by the ledger's clock; the scheduler's.
    Expire {
        /// Which hold.
        hold_id: Id,
    },
    /// Post the opposite of an earlier row: `amount` of a two-sided one, or all that is left of it.
    Reverse {
        /// Which row: a transfer, transaction, capture or adjustment.
        journal_id: Id,
        /// How much.
        amount: Option<Amount>,
    },
}

/// One thing to happen to the ledger: whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose ledger.
    pub tenant: Tenant,
    /// The id of the journal row it makes; the client's or a fresh Snowflake.
    pub id: Id,
    /// The idempotency record.
    pub claim: Option<Claim>,
    /// A JSON object for the journal row (description, metadata, rate). See [`Command::chained_details`].
    pub details: String,
    /// What.
    pub action: Action,
}

impl Command {
    /// The details of the row that it makes, byte for byte as they are stored and chained. A hold has no entries that would say its terms,
    /// so they stand here, before what the client said: whoever changes the hold afterwards contradicts the chain.
    pub fn chained_details(&self) -> Cow<'_, str> {
        let Action::Hold(terms) = &self.action else {
            return Cow::Borrowed(&self.details);
        };
        // Written by hand, so that the database can write the same bytes from its columns. All fields are digits or three letters.
        Cow::Owned(format!(
            r#"{{"hold":{{"debit_account_id":"{}","credit_account_id":"{}","amount":"{}","currency":"{}","expires_at_ms":{}}}{BESIDE}{}}}"#,
            terms.debit_account_id,
            terms.credit_account_id,
            terms.amount,
            terms.currency,
            i64::try_from(terms.expires_at_ms).unwrap_or(i64::MAX),
            self.details
        ))
    }
}

/// What a command made, as it was made: a replay shows the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its row.
    pub journal: Journal,
    /// The hold it placed or changed, as it stood then.
    pub hold: Option<Hold>,
}

/// What became of a command that was not refused.
pub type CommandOutcome = Outcome<Settled>;

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(details: &str) -> Journal {
        let id = |number| Id::from_u64(number).unwrap();
        let command = Command {
            tenant: Tenant::parse("acme").unwrap(),
            id: id(7),
            claim: None,
            details: details.to_owned(),
            action: Action::Hold(NewHold {
                debit_account_id: id(1),
                credit_account_id: id(2),
                amount: Amount::from_minor(50).unwrap(),
                currency: "EUR".parse().unwrap(),
                expires_at_ms: 9,
            }),
        };
        Journal {
            tenant: command.tenant.clone(),
            id: command.id,
            kind: JournalKind::Hold,
            at_ms: 1,
            hold_id: Some(command.id),
            refers_to: None,
            details: command.chained_details().into_owned(),
            postings: Vec::new(),
            reversed: 0,
        }
    }

    #[test]
    fn a_hold_is_chained_with_its_terms_and_shown_without() {
        let told = r#"{"description":"a \"},\"details\":{} of mine","metadata":{"details":"7"}}"#;
        let row = placed(told);
        assert_eq!(row.told(), told);
        assert_eq!(
            placed("{}").details,
            r#"{"hold":{"debit_account_id":"1","credit_account_id":"2","amount":"50","currency":"EUR","expires_at_ms":9},"details":{}}"#
        );
        let all: serde_json::Value = serde_json::from_str(&row.details).unwrap();
        assert_eq!(all["details"]["metadata"]["details"], "7");
    }
}
