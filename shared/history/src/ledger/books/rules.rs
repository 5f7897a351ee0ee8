//! What the books must be, whatever clients asked for.

use std::collections::BTreeMap;

use super::{Account, Books, Hold};
use crate::ledger::observed::{HoldState, TransactionKind};
use crate::ledger::word::Word;
use crate::ledger::{
    BALANCED, CAPTURED, CHAIN, FENCED, LIMITS, Operation, PUBLISHED, REPLAY, REVERSED, ZERO, violation,
};
use crate::report::Report;

impl Books {
    /// What must hold of any ledger.
    pub(in crate::ledger) fn judge(&self, report: &mut Report<Operation>) {
        for (key, what) in &self.torn {
            violation(report, REPLAY, key, what.clone(), Vec::new());
        }
        self.judge_balance(report);
        self.judge_replay(report);
        self.judge_zero(report);
        self.judge_holds(report);
        self.judge_reversals(report);
        self.judge_events(report);
        self.judge_fences(report);
        for (verified, found) in &self.chain {
            if !verified {
                violation(report, CHAIN, &"chain".into(), found.clone(), Vec::new());
            }
        }
    }

    fn judge_balance(&self, report: &mut Report<Operation>) {
        for (id, transaction) in &self.transactions {
            let mut sums: BTreeMap<&Word, i128> = BTreeMap::new();
            for posting in &transaction.postings {
                *sums.entry(&posting.currency).or_default() += posting.amount;
            }
            for (currency, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
                let text = format!("its debits and credits differ by {sum} {currency}");
                violation(report, BALANCED, id, text, Vec::new());
            }
        }
    }

    /// Every entry by its order: the balance it leaves, the limits, and what is stored at the end.
    fn judge_replay(&self, report: &mut Report<Operation>) {
        let mut replayed: BTreeMap<&Word, i128> = BTreeMap::new();
        for ((id, part), entries) in &self.entries {
            let account = self.accounts.get(id);
            if account.is_none() {
                violation(
                    report,
                    REPLAY,
                    id,
                    "it has entries and no account".to_owned(),
                    Vec::new(),
                );
            }
            let mut balance = 0;
            for (place, (seq, entry)) in (1..).zip(entries) {
                balance += entry.amount;
                let of = &entry.transaction;
                if place != *seq {
                    let text = format!("part {part}: entry {place} is missing before {seq} ({of})");
                    violation(report, REPLAY, id, text, Vec::new());
                    break;
                }
                if balance != entry.balance_after {
                    let stored = entry.balance_after;
                    let text =
                        format!("entry {seq} ({of}) says {stored} where all before it add up to {balance}");
                    violation(report, REPLAY, id, text, Vec::new());
                    break;
                }
                // A split account has no limits, so a part alone may be judged by them.
                if let Some(text) = account.and_then(|account| account.beyond(balance, 0, 0)) {
                    violation(
                        report,
                        LIMITS,
                        id,
                        format!("after entry {seq} ({of}) {text}"),
                        Vec::new(),
                    );
                    break;
                }
            }
            *replayed.entry(id).or_default() += entries.values().map(|entry| entry.amount).sum::<i128>();
        }
        let held = self.held();
        for (id, account) in &self.accounts {
            let posted = replayed.get(id).copied().unwrap_or(0);
            let (debits, credits) = held.get(id).copied().unwrap_or((0, 0));
            for (what, stored, replayed) in [
                ("posted", account.posted, posted),
                ("held debits", account.hold_debits, debits),
                ("held credits", account.hold_credits, credits),
            ] {
                if stored != replayed {
                    let text = format!("{what}: {stored} is stored, the rows add up to {replayed}");
                    violation(report, REPLAY, id, text, Vec::new());
                }
            }
            if let Some(text) = account.beyond(account.posted, account.hold_debits, account.hold_credits) {
                violation(report, LIMITS, id, format!("at the end {text}"), Vec::new());
            }
        }
    }

    /// By account, what open holds would debit and credit.
    fn held(&self) -> BTreeMap<&Word, (i128, i128)> {
        let mut held: BTreeMap<&Word, (i128, i128)> = BTreeMap::new();
        for hold in self.holds.values().filter(|hold| hold.state == HoldState::Open) {
            let rest = hold.amount - hold.captured;
            held.entry(&hold.debit).or_default().0 += rest;
            held.entry(&hold.credit).or_default().1 += rest;
        }
        held
    }

    fn judge_zero(&self, report: &mut Report<Operation>) {
        let mut sums: BTreeMap<&Word, i128> = BTreeMap::new();
        for account in self.accounts.values() {
            *sums.entry(&account.currency).or_default() += account.posted;
        }
        for (currency, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            let text = format!("all accounts together hold {sum}");
            violation(report, ZERO, currency, text, Vec::new());
        }
    }

    fn judge_holds(&self, report: &mut Report<Operation>) {
        let mut captured: BTreeMap<&Word, i128> = BTreeMap::new();
        for (id, transaction) in &self.transactions {
            let (TransactionKind::Capture, Some(hold)) = (transaction.kind, &transaction.hold) else {
                continue;
            };
            *captured.entry(hold).or_default() += transaction.debited();
            let accounts = self.holds.get(hold).map(|hold| (&hold.debit, &hold.credit));
            if accounts.is_none() || accounts != transaction.accounts() {
                let text = format!("it captures hold {hold}, which is not there or of other accounts");
                violation(report, CAPTURED, id, text, Vec::new());
            }
        }
        for (id, hold) in &self.holds {
            let moved = captured.get(id).copied().unwrap_or(0);
            let (amount, stored, released) = (hold.amount, hold.captured, hold.released);
            let text = if moved > amount {
                format!("{moved} were captured of {amount}")
            } else if moved != stored {
                format!("{stored} are stored as captured, its captures add up to {moved}")
            } else if !hold.adds_up() {
                format!(
                    "{amount} were held, {stored} captured and {released} let go, and it is {:?}",
                    hold.state
                )
            } else {
                continue;
            };
            violation(report, CAPTURED, id, text, Vec::new());
        }
    }

    fn judge_reversals(&self, report: &mut Report<Operation>) {
        let mut reversed: BTreeMap<(&Word, &Word), i128> = BTreeMap::new();
        for transaction in self.transactions.values() {
            let (TransactionKind::Reversal, Some(of)) = (transaction.kind, &transaction.of) else {
                continue;
            };
            for posting in &transaction.postings {
                *reversed.entry((of, &posting.account)).or_default() += posting.amount;
            }
        }
        for ((of, account), back) in reversed {
            let original: i128 = self.transactions.get(of).map_or(0, |transaction| {
                let here = transaction
                    .postings
                    .iter()
                    .filter(|posting| posting.account == *account);
                here.map(|posting| posting.amount).sum()
            });
            let turned = back.signum() == -original.signum();
            if !turned || back.abs() > original.abs() {
                let text = format!("it moved {original} on account {account}, and {back} were moved back");
                violation(report, REVERSED, of, text, Vec::new());
            }
        }
    }

    /// A fence only grows: what carries a smaller one than something before it was written by a leader that had lost its lease.
    fn judge_fences(&self, report: &mut Report<Operation>) {
        for (duty, writes) in &self.led {
            let mut highest = i64::MIN;
            for (place, fence) in writes {
                if *fence < highest {
                    let text = format!("write {place} carries fence {fence}, and one before it {highest}");
                    violation(report, FENCED, duty, text, Vec::new());
                }
                highest = highest.max(*fence);
            }
        }
    }

    fn judge_events(&self, report: &mut Report<Operation>) {
        let mut seen: BTreeMap<&Word, &Word> = BTreeMap::new();
        for (id, subject) in &self.events {
            let known = self.transactions.contains_key(subject)
                || self.payments.contains_key(subject)
                || self.holds.contains_key(subject);
            if !known {
                let text = format!("event {id} was published of it, and it is not there");
                violation(report, PUBLISHED, subject, text, Vec::new());
            }
            if seen.insert(id, subject).is_some_and(|other| other != subject) {
                let text = format!("event {id} is of two things");
                violation(report, PUBLISHED, subject, text, Vec::new());
            }
        }
    }
}

impl Account {
    /// How a balance would be beyond the limits, holds counted where they would take it further.
    fn beyond(&self, balance: i128, hold_debits: i128, hold_credits: i128) -> Option<String> {
        let (low, high) = (balance - hold_credits, balance + hold_debits);
        let floor = self.floor.filter(|floor| low < *floor);
        let ceiling = self.ceiling.filter(|ceiling| high > *ceiling);
        floor
            .map(|floor| format!("its balance may come to {low}, below {floor}"))
            .or(ceiling.map(|ceiling| format!("its balance may come to {high}, above {ceiling}")))
    }
}

impl Hold {
    fn adds_up(&self) -> bool {
        let rest = self.amount - self.captured - self.released;
        match self.state {
            HoldState::Open => self.released == 0 && rest > 0,
            HoldState::Captured => rest == 0 && self.captured > 0,
            HoldState::Voided | HoldState::Expired => rest == 0,
        }
    }
}
