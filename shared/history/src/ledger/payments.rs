//! Payments, the processor's charges, and its settlement.

use std::collections::{BTreeMap, BTreeSet};

use super::books::{Books, Charge, Payment};
use super::word::Word;
use super::{FOLLOWED, LISTED, Operation, SETTLED, violation};
use crate::report::Report;

/// What a payment that has ended so must have taken of its payer; `None`: it has not ended.
fn due(payment: &Payment) -> Option<i128> {
    match payment.state.as_str() {
        "captured" | "succeeded" => Some(payment.amount),
        "partially_refunded" => Some(payment.amount - payment.refunded),
        "failed" | "refunded" => Some(0),
        _ => None,
    }
}

/// Whether it was captured, whatever came afterwards.
pub(super) fn was_captured(payment: &Payment) -> bool {
    let state = payment.state.as_str();
    matches!(
        state,
        "captured" | "succeeded" | "refunding" | "partially_refunded" | "refunded"
    )
}

fn charged(books: &Books) -> BTreeMap<&Word, Vec<&Charge>> {
    let mut charged: BTreeMap<&Word, Vec<&Charge>> = BTreeMap::new();
    for charge in &books.charges {
        charged.entry(&charge.payment).or_default().push(charge);
    }
    charged
}

/// Payments whose settlement is not what was charged: where there is none, nobody had anything to list.
pub(super) fn differing(books: &Books) -> usize {
    let charged = charged(books);
    let differs = |(payment, settled): &(&Word, &i128)| kept(&charged, payment) != **settled;
    books.settled.iter().filter(differs).count()
}

/// What the processor kept for a payment.
fn kept(charged: &BTreeMap<&Word, Vec<&Charge>>, payment: &Word) -> i128 {
    let of_it = charged.get(payment).map_or(&[][..], Vec::as_slice);
    of_it.iter().map(|charge| charge.net).sum()
}

pub(super) fn judge(books: &Books, report: &mut Report<Operation>) {
    let charged = charged(books);
    for charge in &books.charges {
        if !books.payments.contains_key(&charge.payment) {
            let (id, payment) = (&charge.id, &charge.payment);
            let text = format!("the processor has charge {id} of payment {payment}, which is not there");
            violation(report, SETTLED, payment, text, Vec::new());
        }
    }
    let mut moved: BTreeMap<&Word, i128> = BTreeMap::new();
    for transaction in books.transactions.values() {
        if let Some((id, payment)) = transaction
            .payment
            .as_ref()
            .and_then(|id| Some((id, books.payments.get(id)?)))
        {
            *moved.entry(id).or_default() += transaction.debited_of(&payment.debit);
        }
    }
    for (id, payment) in &books.payments {
        let of_payment = charged.get(id).map_or(&[][..], Vec::as_slice);
        if let Some(text) = disagreement(payment, moved.get(id).copied().unwrap_or(0), of_payment) {
            violation(report, SETTLED, id, text, Vec::new());
        }
    }
    judge_settlement(books, &charged, report);
    judge_receipts(books, report);
}

fn judge_receipts(books: &Books, report: &mut Report<Operation>) {
    for (id, payment) in &books.payments {
        let (due, there) = (
            usize::from(was_captured(payment)),
            books.receipts.get(id).copied().unwrap_or(0),
        );
        if there != due {
            let text = format!(
                "it is `{}`, and {there} receipts were issued for it",
                payment.state
            );
            violation(report, FOLLOWED, id, text, Vec::new());
        }
    }
    for id in books
        .receipts
        .keys()
        .filter(|id| !books.payments.contains_key(*id))
    {
        let text = "a receipt was issued for it, and it is not there".to_owned();
        violation(report, FOLLOWED, id, text, Vec::new());
    }
}

fn disagreement(payment: &Payment, moved: i128, charges: &[&Charge]) -> Option<String> {
    let state = &payment.state;
    let Some(due) = due(payment) else {
        return Some(format!("it has not ended: it is `{state}`"));
    };
    let kept: i128 = charges.iter().map(|charge| charge.net).sum();
    let of = payment.amount;
    if moved != due {
        return Some(format!(
            "it is `{state}` of {of}, and the ledger took {moved} of the payer"
        ));
    }
    if kept != due {
        return Some(format!("it is `{state}` of {of}, and the processor kept {kept}"));
    }
    let elsewhere = charges
        .iter()
        .find(|charge| charge.currency != payment.currency)?;
    Some(format!(
        "it is in {}, its charge in {}",
        payment.currency, elsewhere.currency
    ))
}

/// A settlement says what the processor says it kept. Where it is not what was charged, somebody must have been told.
fn judge_settlement(books: &Books, charged: &BTreeMap<&Word, Vec<&Charge>>, report: &mut Report<Operation>) {
    let listed: BTreeSet<&Word> = books.breaks.iter().collect();
    let mut different = BTreeSet::new();
    for (payment, settled) in &books.settled {
        let kept = kept(charged, payment);
        if kept != *settled {
            different.insert(payment);
            if !listed.contains(payment) {
                let text = format!("{settled} are settled and {kept} were charged, and no break says so");
                violation(report, LISTED, payment, text, Vec::new());
            }
        }
    }
    for payment in listed.difference(&different) {
        let text = "a break is listed where nothing differs".to_owned();
        violation(report, LISTED, payment, text, Vec::new());
    }
}
