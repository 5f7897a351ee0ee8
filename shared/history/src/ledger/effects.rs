//! What clients asked for, against what became of it.

use std::collections::{BTreeMap, BTreeSet};

use super::books::{Books, minor};
use super::observed::TransactionKind;
use super::operation::{Answer, Effect, Operation, Request};
use super::word::Word;
use super::{AS_ASKED, ASKED, ENDED, KEPT, ONCE, ONE_WISH, REFUSED, SAME_ANSWER, violation};
use crate::report::Report;

/// An effect that a client can have asked for, as it was observed.
struct Found<'a> {
    effect: Effect,
    id: &'a Word,
    intent: Option<&'a str>,
    subject: Subject<'a>,
    amount: i128,
}

/// What an effect is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject<'a> {
    /// From one account to another, in a currency.
    Between(&'a Word, &'a Word, &'a Word),
    /// A hold.
    Hold(&'a Word),
    /// A transaction.
    Transaction(&'a Word),
    /// Of nothing that a client can ask for.
    Nothing,
}

/// All attempts under one key.
struct Wish<'a> {
    effect: Effect,
    request: &'a Request,
    attempts: Vec<&'a Operation>,
}

impl<'a> Wish<'a> {
    fn acknowledged(&self) -> Option<&'a Operation> {
        self.attempts
            .iter()
            .find(|attempt| matches!(attempt.answer, Answer::Ok { .. }))
            .copied()
    }

    /// What it was given, where an answer says so.
    fn id(&self) -> Option<&'a Word> {
        self.attempts.iter().find_map(|attempt| match &attempt.answer {
            Answer::Ok { id } => id.as_ref(),
            _ => None,
        })
    }

    fn refused(&self) -> Option<&'a Operation> {
        self.attempts
            .iter()
            .find(|attempt| matches!(attempt.answer, Answer::Refused { .. }))
            .copied()
    }

    fn subject(&self) -> Subject<'a> {
        let request = self.request;
        match (&request.debit, &request.credit, &request.currency) {
            (Some(debit), Some(credit), Some(currency)) => Subject::Between(debit, credit, currency),
            _ => match (&request.hold, &request.of) {
                (Some(hold), _) => Subject::Hold(hold),
                (None, Some(of)) => Subject::Transaction(of),
                (None, None) => Subject::Nothing,
            },
        }
    }

    /// Whether this is what it asked for; what asked for no amount takes any.
    fn asked_for(&self, found: &Found<'_>) -> bool {
        let amount = minor(self.request.amount).filter(|_| self.effect != Effect::Void);
        self.effect == found.effect
            && self.subject() == found.subject
            && amount.is_none_or(|amount| amount == found.amount)
    }

    fn evidence(&self) -> Vec<Operation> {
        const SHOWN_MAX: usize = 3;
        self.attempts
            .iter()
            .take(SHOWN_MAX)
            .map(|attempt| (*attempt).clone())
            .collect()
    }
}

pub(super) fn judge(operations: &[Operation], books: &Books, report: &mut Report<Operation>) {
    let wishes = wishes(operations, report);
    judge_answers(&wishes, report);
    judge_effects(&wishes, &found(books), report);
    judge_ends(&wishes, report);
}

/// By key. A key that stands for two requests is its client's own mistake: its history would prove nothing.
fn wishes<'a>(operations: &'a [Operation], report: &mut Report<Operation>) -> BTreeMap<&'a str, Wish<'a>> {
    let mut wishes: BTreeMap<&str, Wish<'_>> = BTreeMap::new();
    for operation in operations {
        let wish = wishes.entry(&operation.intent).or_insert_with(|| Wish {
            effect: operation.effect,
            request: &operation.request,
            attempts: Vec::new(),
        });
        if (wish.effect, wish.request) == (operation.effect, &operation.request) {
            wish.attempts.push(operation);
        } else {
            let text = format!(
                "it stands for {} of {} too",
                operation.effect.name(),
                operation.request
            );
            let operations = vec![operation.clone()];
            violation(
                report,
                ONE_WISH,
                &operation.intent.as_str().into(),
                text,
                operations,
            );
        }
    }
    wishes
}

fn judge_answers(wishes: &BTreeMap<&str, Wish<'_>>, report: &mut Report<Operation>) {
    for (intent, wish) in wishes {
        let told: BTreeSet<String> = wish
            .attempts
            .iter()
            .filter_map(|attempt| match &attempt.answer {
                Answer::Ok { id: Some(id) } => Some(format!("ok {id}")),
                Answer::Ok { id: None } => Some("ok".to_owned()),
                Answer::Refused { code } => Some(format!("refused: {code}")),
                Answer::Unknown => None,
            })
            .collect();
        if told.len() > 1 {
            let told: Vec<String> = told.into_iter().collect();
            let text = format!("it was answered in {} ways: {}", told.len(), told.join("; "));
            violation(report, SAME_ANSWER, &(*intent).into(), text, wish.evidence());
        }
    }
}

/// What is there of what clients can ask for. What a payment did by itself, none of them asked for.
fn found(books: &Books) -> Vec<Found<'_>> {
    let of_clients = books.transactions.iter().filter(|(_, row)| row.payment.is_none());
    let transactions = of_clients.filter_map(|(id, row)| {
        let between = || {
            let ((debit, credit), currency) = row.accounts().zip(row.currency())?;
            Some(Subject::Between(debit, credit, currency))
        };
        let (effect, subject) = match row.kind {
            TransactionKind::Transfer => (Effect::Transfer, between()),
            TransactionKind::Capture => (Effect::Capture, row.hold.as_ref().map(Subject::Hold)),
            TransactionKind::Void => (Effect::Void, row.hold.as_ref().map(Subject::Hold)),
            TransactionKind::Reversal => (Effect::Reversal, row.of.as_ref().map(Subject::Transaction)),
            TransactionKind::Other => return None,
        };
        Some(Found {
            effect,
            id,
            intent: row.intent.as_deref(),
            subject: subject.unwrap_or(Subject::Nothing),
            amount: row.debited(),
        })
    });
    let holds = books.holds.iter().filter(|(_, hold)| hold.payment.is_none());
    let holds = holds.map(|(id, hold)| Found {
        effect: Effect::Hold,
        id,
        intent: hold.intent.as_deref(),
        subject: Subject::Between(&hold.debit, &hold.credit, &hold.currency),
        amount: hold.amount,
    });
    let payments = books.payments.iter().map(|(id, payment)| Found {
        effect: Effect::Payment,
        id,
        intent: payment.intent.as_deref(),
        subject: Subject::Between(&payment.debit, &payment.credit, &payment.currency),
        amount: payment.amount,
    });
    transactions.chain(holds).chain(payments).collect()
}

/// Gives each effect to the wish that it fulfils: by the id of its answer, then by its key, then by what it is.
fn judge_effects(wishes: &BTreeMap<&str, Wish<'_>>, found: &[Found<'_>], report: &mut Report<Operation>) {
    let mut given: BTreeMap<&str, usize> = BTreeMap::new();
    let mut free: BTreeSet<usize> = (0..found.len()).collect();
    let mut by_id: BTreeMap<(Effect, &Word), usize> = BTreeMap::new();
    for (place, found) in found.iter().enumerate() {
        by_id.insert((found.effect, found.id), place);
    }
    for (intent, wish) in wishes {
        let Some(id) = wish.id() else { continue };
        // An answer may name what it is of, as a void does its hold: then what was done is found below.
        let of_hold = wish.request.hold.as_ref() == Some(id);
        match by_id.get(&(wish.effect, id)).copied() {
            Some(at) if free.remove(&at) => {
                given.insert(intent, at);
                if !wish.asked_for(&found[at]) {
                    let text = format!("{id} is {}", found[at]);
                    violation(report, AS_ASKED, &(*intent).into(), text, wish.evidence());
                }
            }
            Some(_) => {
                let text = format!("{id} answers another key too");
                violation(report, ONCE, &(*intent).into(), text, wish.evidence());
            }
            None if of_hold => {}
            None => {
                given.insert(intent, usize::MAX);
                let text = format!("it was acknowledged as {id}, which is not there");
                violation(report, KEPT, &(*intent).into(), text, wish.evidence());
            }
        }
    }
    let places: BTreeMap<_, Vec<&str>> = by_subject(wishes);
    for at in free {
        let effect = &found[at];
        let same: &[&str] = match effect.intent {
            Some(intent) => &[intent],
            None => places
                .get(&(effect.effect, effect.subject.clone()))
                .map_or(&[], Vec::as_slice),
        };
        give(effect, at, same, wishes, &mut given, report);
    }
    for (intent, wish) in wishes {
        if wish.acknowledged().is_some() && !given.contains_key(intent) {
            let text = "it was acknowledged, and is not there".to_owned();
            violation(report, KEPT, &(*intent).into(), text, wish.evidence());
        }
    }
}

fn by_subject<'a>(wishes: &BTreeMap<&'a str, Wish<'a>>) -> BTreeMap<(Effect, Subject<'a>), Vec<&'a str>> {
    let mut places: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (intent, wish) in wishes {
        places
            .entry((wish.effect, wish.subject()))
            .or_default()
            .push(intent);
    }
    places
}

/// Gives one effect to the best of the wishes that it may be of, or says what is wrong with it.
fn give<'a>(
    effect: &Found<'_>,
    at: usize,
    candidates: &[&'a str],
    wishes: &BTreeMap<&'a str, Wish<'a>>,
    given: &mut BTreeMap<&'a str, usize>,
    report: &mut Report<Operation>,
) {
    let named = effect.intent.is_some();
    let mut fitting: Vec<(&str, &Wish<'_>)> = candidates
        .iter()
        .filter_map(|intent| wishes.get_key_value(intent).map(|(intent, wish)| (*intent, wish)))
        .filter(|(_, wish)| named || wish.asked_for(effect))
        .collect();
    // Who was told that it is done comes first, then who was told nothing, then who was told no. An exact amount before any.
    fitting.sort_by_key(|(intent, wish)| {
        let told = (wish.acknowledged().is_none(), wish.refused().is_some());
        (given.contains_key(intent), told, wish.request.amount.is_none())
    });
    let Some((intent, wish)) = fitting.first() else {
        let text = format!("{} {}: {effect}", effect.effect.name(), effect.id);
        violation(report, ASKED, effect.id, text, Vec::new());
        return;
    };
    let refused_only = wish.refused().is_some() && wish.acknowledged().is_none();
    if given.contains_key(intent) {
        let text = format!("{} was made beside another: {effect}", effect.id);
        violation(report, ONCE, &(*intent).into(), text, wish.evidence());
    } else if refused_only {
        given.insert(intent, at);
        let text = format!("{} was made of it: {effect}", effect.id);
        violation(report, REFUSED, &(*intent).into(), text, wish.evidence());
    } else {
        given.insert(intent, at);
        if !wish.asked_for(effect) {
            let text = format!("{} is {effect}", effect.id);
            violation(report, AS_ASKED, &(*intent).into(), text, wish.evidence());
        }
    }
}

/// No two keys let the same hold go, and nothing is captured of one that was.
fn judge_ends(wishes: &BTreeMap<&str, Wish<'_>>, report: &mut Report<Operation>) {
    let mut voided: BTreeMap<&Word, &Operation> = BTreeMap::new();
    let acknowledged = |effect| {
        let of_kind = wishes.values().filter(move |wish| wish.effect == effect);
        of_kind.filter_map(|wish| Some((wish.request.hold.as_ref()?, wish.acknowledged()?, wish)))
    };
    for (hold, void, _) in acknowledged(Effect::Void) {
        if let Some(other) = voided.insert(hold, void) {
            let text = "two keys were told that they had let it go".to_owned();
            violation(report, ENDED, hold, text, vec![void.clone(), other.clone()]);
        }
    }
    for (hold, capture, wish) in acknowledged(Effect::Capture) {
        // A retry that is answered late may tell of what its first attempt did in time.
        let begun_us = wish.attempts.iter().map(|attempt| attempt.start_us).min();
        if let Some(void) = voided.get(hold)
            && begun_us.is_some_and(|begun_us| void.end_us < begun_us)
        {
            let text = "it was captured after it had been let go".to_owned();
            violation(report, ENDED, hold, text, vec![capture.clone(), (*void).clone()]);
        }
    }
}

impl std::fmt::Display for Found<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = self.amount;
        match &self.subject {
            Subject::Between(debit, credit, currency) => {
                write!(out, "{amount} {currency} from {debit} to {credit}")
            }
            Subject::Hold(hold) => write!(out, "{amount} of hold {hold}"),
            Subject::Transaction(of) => write!(out, "{amount} back of {of}"),
            Subject::Nothing => write!(out, "{amount} of nothing known"),
        }
    }
}
