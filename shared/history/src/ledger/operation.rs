//! One line an operation on money: what a client asked, under which key, and what it was told.

use std::fmt;
use std::io::BufRead;

use serde::{Deserialize, Serialize};

use super::word::{Minor, Word};
use crate::HistoryError;
use crate::record::read_lines;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Move an amount from one account to another.
    Transfer,
    /// Reserve an amount.
    Hold,
    /// Move a part of what is held, or all of it.
    Capture,
    /// Let go what is held.
    Void,
    /// Move a transaction back.
    Reversal,
    /// Begin a payment.
    Payment,
}

impl Effect {
    /// As it stands in a history.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Reversal => "reversal",
            Self::Payment => "payment",
        }
    }
}

/// What it was asked of. Which fields there are follows from the effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The account that is debited; of a payment the payer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debit: Option<Word>,
    /// The account that is credited; of a payment the merchant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<Word>,
    /// How much, in minor units; of a capture or reversal without it all that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Minor>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Word>,
    /// Of a capture or void: the hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Word>,
    /// Of a reversal: the transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Word>,
}

/// What the client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Answer {
    /// It was done.
    Ok {
        /// The transaction, hold or payment that was made, where the answer says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Word>,
    },
    /// It was judged and not done.
    Refused {
        /// Why, as the problem's stable code.
        code: String,
    },
    /// No answer: it may have been done, may yet be, or never will.
    Unknown,
}

/// One attempt of one client. Those that share an intent are retries of one wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The client, which has one operation in flight at a time.
    pub session: u64,
    /// What was asked.
    #[serde(rename = "operation")]
    pub effect: Effect,
    /// The idempotency key.
    pub intent: String,
    /// What it was asked of.
    pub request: Request,
    /// When it was sent, in microseconds on the history's one monotonic axis.
    #[serde(rename = "start")]
    pub start_us: u64,
    /// When its answer was complete or given up, in microseconds on the same axis.
    #[serde(rename = "end")]
    pub end_us: u64,
    /// What the client was told.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Reads a history of money; blank lines are passed over.
pub fn read(reader: impl BufRead) -> Result<Vec<Operation>, HistoryError> {
    read_lines(reader, check_shape)
}

/// What the types cannot say. A checker may rely on it for histories that were read.
fn check_shape(operation: &Operation) -> Result<(), &'static str> {
    if operation.end_us < operation.start_us {
        return Err("it ends before it starts");
    }
    if operation.intent.is_empty() {
        return Err("what moves money has an idempotency key as its intent");
    }
    let request = &operation.request;
    let moves = request.debit.is_some()
        && request.credit.is_some()
        && request.amount.is_some()
        && request.currency.is_some();
    match operation.effect {
        Effect::Transfer | Effect::Hold | Effect::Payment if !moves => {
            Err("a transfer, hold or payment needs debit, credit, amount and currency")
        }
        Effect::Capture | Effect::Void if request.hold.is_none() => Err("a capture or void needs its hold"),
        Effect::Reversal if request.of.is_none() => Err("a reversal needs `of`: the transaction"),
        _ => Ok(()),
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end, session) = (self.start_us, self.end_us, self.session);
        write!(
            out,
            "[{start} .. {end} us] session {session}: {}({}) -> ",
            self.effect.name(),
            self.request
        )?;
        match &self.answer {
            Answer::Ok { id: Some(id) } => write!(out, "ok {id}")?,
            Answer::Ok { id: None } => write!(out, "ok")?,
            Answer::Refused { code } => write!(out, "refused: {code}")?,
            Answer::Unknown => write!(out, "unknown")?,
        }
        write!(out, " (intent {})", self.intent)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let mut named = |name: &str, word: &Option<Word>| {
            words.extend(word.as_ref().map(|word| format!("{name} {word}")));
        };
        named("hold", &self.hold);
        named("of", &self.of);
        named("debit", &self.debit);
        named("credit", &self.credit);
        if let Some(amount) = self.amount {
            let currency = self.currency.as_ref().map_or("", |currency| currency.as_str());
            words.push(format!("{amount} {currency}").trim_end().to_owned());
        }
        write!(out, "{}", words.join(", "))
    }
}
