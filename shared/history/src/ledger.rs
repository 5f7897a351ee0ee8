//! Money: what clients were told, against what the tables say once all is over.
//!
//! Two files are judged together: the history of every attempt ([`Operation`]) and what an observer read at the end ([`Observed`]).
//! Judged, each with its own rule in the report:
//! - what was acknowledged is there, and is what was asked for;
//! - no key has two effects, and nothing is there that nobody asked for;
//! - what was refused has no effect;
//! - what was never answered took effect once or not at all, and each retry of a key gets the same answer;
//! - captures never pass their hold, and a hold ends once;
//! - no more is moved back than was moved;
//! - every transaction balances, balances are what the entries add up to, all accounts together are zero, and no account was ever
//!   beyond its limits;
//! - payments have ended, with ledger and processor in agreement, and each difference of a settlement is listed;
//! - each captured payment is followed by one receipt, and no other payment by any;
//! - what was published is there, a leader past its lease writes nothing, and the chain is whole.

mod books;
mod effects;
mod observed;
mod operation;
mod payments;
#[cfg(test)]
mod tests;
mod word;

pub use observed::{HoldState, Observed, TransactionKind, read_observed};
pub use operation::{Answer, Effect, Operation, Request, read};
pub use word::{Minor, Word};

use crate::report::{Report, Violation};
use books::Books;

/// An acknowledged effect is there.
pub const KEPT: &str = "what was acknowledged is there";
/// An effect is what its client asked for.
pub const AS_ASKED: &str = "an effect is what was asked for";
/// One key, one effect.
pub const ONCE: &str = "no key has two effects";
/// No effect without a wish.
pub const ASKED: &str = "nothing is there that nobody asked for";
/// One key, one request: else the load is wrong.
pub const ONE_WISH: &str = "a key stands for one request";
/// A refusal moves nothing.
pub const REFUSED: &str = "what was refused has no effect";
/// One key, one answer.
pub const SAME_ANSWER: &str = "each retry gets the same answer";
/// Captures and their hold.
pub const CAPTURED: &str = "captures never pass their hold";
/// A hold that was let go stays so.
pub const ENDED: &str = "a hold ends once";
/// Reversals and what they reverse.
pub const REVERSED: &str = "no more is moved back than was moved";
/// Debits and credits of one transaction.
pub const BALANCED: &str = "every transaction balances";
/// Stored balances.
pub const REPLAY: &str = "stored balances are what the entries add up to";
/// All accounts together.
pub const ZERO: &str = "all accounts together are zero";
/// Limits of accounts.
pub const LIMITS: &str = "no account is ever beyond its limits";
/// The saga and the processor.
pub const SETTLED: &str = "payments end, and ledger and processor agree";
/// Settlement and reconciliation.
pub const LISTED: &str = "each difference of a settlement is listed";
/// The stream and the ledger.
pub const PUBLISHED: &str = "what was published is there";
/// What follows a captured payment.
pub const FOLLOWED: &str = "each captured payment is followed by one receipt";
/// Leaders and their fences.
pub const FENCED: &str = "a leader past its lease writes nothing";
/// The audit chain.
pub const CHAIN: &str = "the chain is whole";

/// Judges a history against what was observed.
pub fn check(operations: &[Operation], observed: &[Observed]) -> Report<Operation> {
    let books = Books::of(observed);
    let mut report = Report::new("ledger", operations.len() + books.rows());
    effects::judge(operations, &books, &mut report);
    books.judge(&mut report);
    payments::judge(&books, &mut report);
    report
}

/// How much of what a rule is about there was: a rule that had nothing to judge says nothing.
pub fn judged(rule: &str, operations: &[Operation], observed: &[Observed]) -> usize {
    let books = Books::of(observed);
    match rule {
        KEPT | AS_ASKED => count(operations, |answer| matches!(answer, Answer::Ok { .. })),
        REFUSED => count(operations, |answer| matches!(answer, Answer::Refused { .. })),
        ONCE | ONE_WISH | ASKED | SAME_ANSWER => operations.len(),
        CAPTURED | ENDED => books.holds.len(),
        BALANCED => books.transactions.len(),
        REVERSED => books.reversals(),
        PUBLISHED => books.events(),
        FOLLOWED => books
            .payments
            .values()
            .filter(|payment| payments::was_captured(payment))
            .count(),
        REPLAY | ZERO | LIMITS => books.accounts.len(),
        SETTLED => books.payments.len(),
        LISTED => payments::differing(&books),
        FENCED => books.led(),
        CHAIN => usize::from(books.has_chain()) * books.transactions.len(),
        _ => 0,
    }
}

fn count(operations: &[Operation], is: impl Fn(&Answer) -> bool) -> usize {
    operations
        .iter()
        .filter(|operation| is(&operation.answer))
        .count()
}

fn violation(
    report: &mut Report<Operation>,
    rule: &'static str,
    key: &Word,
    explanation: String,
    operations: Vec<Operation>,
) {
    report.violated(Violation {
        rule,
        key: key.to_string(),
        explanation,
        operations,
    });
}
