//! Tables that add up by construction: whatever is moved, balances and entries follow.

use std::collections::BTreeMap;

use crate::ledger::{HoldState, Minor, Observed, TransactionKind, Word};

/// One row of the journal.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind: TransactionKind,
    pub(super) hold: Option<String>,
    pub(super) of: Option<String>,
    pub(super) payment: Option<String>,
    /// Debited, credited, how much; a void moves nothing.
    pub(super) moved: Option<(String, String, i128)>,
}

/// One hold.
#[derive(Debug, Clone)]
pub(super) struct HoldRow {
    pub(super) id: String,
    pub(super) debit: String,
    pub(super) credit: String,
    pub(super) amount: i128,
    pub(super) captured: i128,
    pub(super) released: i128,
    pub(super) state: HoldState,
    pub(super) payment: Option<String>,
}

/// The tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    /// By id, the ceiling.
    pub(super) accounts: BTreeMap<String, Option<i128>>,
    pub(super) journal: Vec<Row>,
    pub(super) holds: Vec<HoldRow>,
    /// Whatever else was observed.
    pub(super) beside: Vec<Observed>,
}

pub(super) fn row(id: &str, kind: TransactionKind, debit: &str, credit: &str, amount: i128) -> Row {
    Row {
        id: id.to_owned(),
        kind,
        hold: None,
        of: None,
        payment: None,
        moved: Some((debit.to_owned(), credit.to_owned(), amount)),
    }
}

impl Tables {
    /// As an observer reads them.
    pub(super) fn observed(&self) -> Vec<Observed> {
        let mut rows = self.beside.clone();
        let mut entries: BTreeMap<&str, (i64, i128)> = BTreeMap::new();
        for row in &self.journal {
            rows.push(Observed::Transaction {
                id: row.id.as_str().into(),
                kind: row.kind,
                hold: row.hold.clone().map(Word::from),
                of: row.of.clone().map(Word::from),
                intent: None,
                payment: row.payment.clone().map(Word::from),
            });
            let Some((debit, credit, amount)) = &row.moved else {
                continue;
            };
            for (account, amount) in [(debit, *amount), (credit, -*amount)] {
                let (seq, balance) = entries.entry(account).or_default();
                *seq += 1;
                *balance += amount;
                rows.push(Observed::Posting {
                    transaction: row.id.as_str().into(),
                    account: account.as_str().into(),
                    part: 0,
                    seq: *seq,
                    amount: Minor(amount),
                    currency: "EUR".into(),
                    balance_after: Minor(*balance),
                });
            }
        }
        for hold in &self.holds {
            rows.push(Observed::Hold {
                id: hold.id.as_str().into(),
                debit: hold.debit.as_str().into(),
                credit: hold.credit.as_str().into(),
                amount: Minor(hold.amount),
                currency: "EUR".into(),
                captured: Minor(hold.captured),
                released: Minor(hold.released),
                state: hold.state,
                intent: None,
                payment: hold.payment.clone().map(Word::from),
            });
        }
        for (id, ceiling) in &self.accounts {
            let held = |of: fn(&HoldRow) -> &String| {
                let open = self.holds.iter().filter(|hold| hold.state == HoldState::Open);
                let here = open.filter(|hold| of(hold) == id);
                Minor(here.map(|hold| hold.amount - hold.captured).sum())
            };
            rows.push(Observed::Account {
                id: id.as_str().into(),
                currency: "EUR".into(),
                posted: Minor(entries.get(id.as_str()).map_or(0, |(_, balance)| *balance)),
                hold_debits: held(|hold| &hold.debit),
                hold_credits: held(|hold| &hold.credit),
                floor: None,
                ceiling: ceiling.map(Minor),
            });
        }
        rows
    }

    /// What may still be taken of an account with a ceiling; everything of one without.
    pub(super) fn available(&self, account: &str) -> i128 {
        let Some(Some(ceiling)) = self.accounts.get(account) else {
            return i128::MAX;
        };
        let moved = self.journal.iter().filter_map(|row| row.moved.as_ref());
        let posted: i128 = moved
            .map(|(debit, credit, amount)| {
                i128::from(debit == account) * amount - i128::from(credit == account) * amount
            })
            .sum();
        let open = self.holds.iter().filter(|hold| hold.state == HoldState::Open);
        let held: i128 = open
            .filter(|hold| hold.debit == account)
            .map(|hold| hold.amount - hold.captured)
            .sum();
        ceiling - posted - held
    }
}
