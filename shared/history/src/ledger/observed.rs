//! What an observer read of the tables, the chain, the stream and the processor once all was over.

use std::io::BufRead;

use serde::{Deserialize, Serialize};

use super::word::{Minor, Word};
use crate::HistoryError;
use crate::record::read_lines;

/// One line of an observer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "observed", deny_unknown_fields)]
pub enum Observed {
    /// An account and its stored balances. All are debits less credits.
    Account {
        /// Its id.
        id: Word,
        /// Its currency.
        currency: Word,
        /// What is posted.
        posted: Minor,
        /// What open holds would debit.
        #[serde(default)]
        hold_debits: Minor,
        /// What open holds would credit.
        #[serde(default)]
        hold_credits: Minor,
        /// The balance may not be below this.
        #[serde(default)]
        floor: Option<Minor>,
        /// The balance may not be above this.
        #[serde(default)]
        ceiling: Option<Minor>,
    },
    /// A transaction of the journal.
    Transaction {
        /// Its id.
        id: Word,
        /// What it came of.
        kind: TransactionKind,
        /// Of a capture or void: the hold.
        #[serde(default)]
        hold: Option<Word>,
        /// Of a reversal: the transaction.
        #[serde(default)]
        of: Option<Word>,
        /// The idempotency key, where the tables have it.
        #[serde(default)]
        intent: Option<String>,
        /// The payment that made it, if one did: no client asked for it by itself.
        #[serde(default)]
        payment: Option<Word>,
    },
    /// A posting of a transaction.
    Posting {
        /// The transaction.
        transaction: Word,
        /// The account, or its part: each counts its own entries.
        account: Word,
        /// Which part of a split account.
        #[serde(default)]
        part: i64,
        /// Its place among the entries of the account's part.
        seq: i64,
        /// Debits less credits.
        amount: Minor,
        /// In which currency.
        currency: Word,
        /// The balance of the account's part after it, as it is stored.
        balance_after: Minor,
    },
    /// A hold.
    Hold {
        /// Its id.
        id: Word,
        /// The account to be debited.
        debit: Word,
        /// The account to be credited.
        credit: Word,
        /// How much.
        amount: Minor,
        /// In which currency.
        currency: Word,
        /// How much was captured.
        captured: Minor,
        /// How much was let go.
        #[serde(default)]
        released: Minor,
        /// Whether it still holds the rest.
        state: HoldState,
        /// The idempotency key, where the tables have it.
        #[serde(default)]
        intent: Option<String>,
        /// The payment that made it, if one did.
        #[serde(default)]
        payment: Option<Word>,
    },
    /// A payment.
    Payment {
        /// Its id.
        id: Word,
        /// The payer's account.
        debit: Word,
        /// The merchant's account.
        credit: Word,
        /// How much.
        amount: Minor,
        /// In which currency.
        currency: Word,
        /// As the API names it.
        state: String,
        /// How much was refunded.
        #[serde(default)]
        refunded: Minor,
        /// The idempotency key, where the tables have it.
        #[serde(default)]
        intent: Option<String>,
    },
    /// A charge in the processor's books.
    Charge {
        /// Its id there.
        id: Word,
        /// The payment, as the processor was told of it.
        payment: Word,
        /// How much was taken.
        captured: Minor,
        /// How much of it was given back.
        #[serde(default)]
        refunded: Minor,
        /// In which currency.
        currency: Word,
    },
    /// A line of the processor's settlement.
    Settlement {
        /// The payment.
        payment: Word,
        /// How much the line says.
        amount: Minor,
    },
    /// A difference that reconciliation has listed.
    Break {
        /// The payment.
        payment: Word,
    },
    /// An event that was published of a transaction or payment.
    Event {
        /// Its id.
        id: Word,
        /// What it is of.
        subject: Word,
    },
    /// What a captured payment was followed by.
    Receipt {
        /// The payment.
        payment: Word,
    },
    /// Something that a leader wrote.
    Led {
        /// Its duty.
        duty: Word,
        /// Its place in the order of writing.
        place: i64,
        /// The fence that the writer had.
        fence: i64,
    },
    /// What recomputing the chain from outside said.
    Chain {
        /// Whether it is whole.
        verified: bool,
        /// In its words.
        #[serde(default)]
        found: String,
    },
}

/// What a transaction came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionKind {
    /// A transfer.
    Transfer,
    /// The capture of a hold.
    Capture,
    /// The end of a hold, by its owner.
    Void,
    /// A transaction moved back.
    Reversal,
    /// Something that no client asks for by itself.
    Other,
}

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldState {
    /// It holds what is not captured.
    Open,
    /// All was captured, or the rest let go with the last capture.
    Captured,
    /// Let go.
    Voided,
    /// Let go by time.
    Expired,
}

/// Reads what an observer wrote; blank lines are passed over.
pub fn read_observed(reader: impl BufRead) -> Result<Vec<Observed>, HistoryError> {
    read_lines(reader, |_| Ok(()))
}
