//! What was observed, by id.

mod rules;

use std::collections::BTreeMap;

use super::observed::{HoldState, Observed, TransactionKind};
use super::word::{Minor, Word};

/// A stored account.
pub(super) struct Account {
    currency: Word,
    posted: i128,
    hold_debits: i128,
    hold_credits: i128,
    floor: Option<i128>,
    ceiling: Option<i128>,
}

/// A transaction with its postings.
pub(super) struct Transaction {
    pub(super) kind: TransactionKind,
    pub(super) hold: Option<Word>,
    pub(super) of: Option<Word>,
    pub(super) intent: Option<String>,
    pub(super) payment: Option<Word>,
    pub(super) postings: Vec<Posting>,
}

/// One of its postings.
pub(super) struct Posting {
    pub(super) account: Word,
    pub(super) amount: i128,
    pub(super) currency: Word,
}

/// One entry of an account's part.
struct Entry {
    transaction: Word,
    amount: i128,
    balance_after: i128,
}

/// A stored hold.
pub(super) struct Hold {
    pub(super) debit: Word,
    pub(super) credit: Word,
    pub(super) amount: i128,
    pub(super) currency: Word,
    pub(super) captured: i128,
    pub(super) released: i128,
    pub(super) state: HoldState,
    pub(super) intent: Option<String>,
    pub(super) payment: Option<Word>,
}

/// A stored payment.
pub(super) struct Payment {
    pub(super) debit: Word,
    pub(super) credit: Word,
    pub(super) amount: i128,
    pub(super) currency: Word,
    pub(super) state: String,
    pub(super) refunded: i128,
    pub(super) intent: Option<String>,
}

/// A charge at the processor.
pub(super) struct Charge {
    pub(super) id: Word,
    pub(super) payment: Word,
    pub(super) net: i128,
    pub(super) currency: Word,
}

/// Everything that was observed.
#[derive(Default)]
pub(super) struct Books {
    pub(super) accounts: BTreeMap<Word, Account>,
    pub(super) transactions: BTreeMap<Word, Transaction>,
    entries: BTreeMap<(Word, i64), BTreeMap<i64, Entry>>,
    pub(super) holds: BTreeMap<Word, Hold>,
    pub(super) payments: BTreeMap<Word, Payment>,
    pub(super) charges: Vec<Charge>,
    pub(super) settled: BTreeMap<Word, i128>,
    pub(super) breaks: Vec<Word>,
    events: Vec<(Word, Word)>,
    /// By payment, how many.
    pub(super) receipts: BTreeMap<Word, usize>,
    chain: Vec<(bool, String)>,
    /// By duty and place, the fences.
    led: BTreeMap<Word, BTreeMap<i64, i64>>,
    /// Rows that contradict another by themselves: two of one id, postings of no transaction.
    torn: Vec<(Word, String)>,
}

impl Books {
    pub(super) fn of(observed: &[Observed]) -> Self {
        let mut books = Self::default();
        for row in observed {
            books.take(row);
        }
        // After all transactions, for rows come in any order.
        for row in observed {
            books.take_posting(row);
        }
        books
    }

    fn take(&mut self, row: &Observed) {
        let twice = match row {
            Observed::Account { id, .. } => {
                let account = Account::of(row);
                account.is_some_and(|account| self.accounts.insert(id.clone(), account).is_some())
            }
            Observed::Transaction { id, .. } => {
                let transaction = Transaction::of(row);
                transaction.is_some_and(|row| self.transactions.insert(id.clone(), row).is_some())
            }
            Observed::Hold { id, .. } => {
                Hold::of(row).is_some_and(|hold| self.holds.insert(id.clone(), hold).is_some())
            }
            Observed::Payment { id, .. } => {
                let payment = Payment::of(row);
                payment.is_some_and(|payment| self.payments.insert(id.clone(), payment).is_some())
            }
            other => {
                self.take_witness(other);
                false
            }
        };
        if let (
            true,
            Observed::Account { id, .. }
            | Observed::Transaction { id, .. }
            | Observed::Hold { id, .. }
            | Observed::Payment { id, .. },
        ) = (twice, row)
        {
            self.torn.push((id.clone(), "it was observed twice".to_owned()));
        }
    }

    /// What is not of the ledger's own tables.
    fn take_witness(&mut self, row: &Observed) {
        match row {
            Observed::Charge {
                id,
                payment,
                captured,
                refunded,
                currency,
            } => self.charges.push(Charge {
                id: id.clone(),
                payment: payment.clone(),
                net: captured.0 - refunded.0,
                currency: currency.clone(),
            }),
            Observed::Settlement { payment, amount } => {
                *self.settled.entry(payment.clone()).or_default() += amount.0;
            }
            Observed::Break { payment } => self.breaks.push(payment.clone()),
            Observed::Event { id, subject } => self.events.push((id.clone(), subject.clone())),
            Observed::Receipt { payment } => *self.receipts.entry(payment.clone()).or_default() += 1,
            Observed::Led { duty, place, fence } => {
                self.led.entry(duty.clone()).or_default().insert(*place, *fence);
            }
            Observed::Chain { verified, found } => self.chain.push((*verified, found.clone())),
            _ => {}
        }
    }

    fn take_posting(&mut self, row: &Observed) {
        let Observed::Posting {
            transaction,
            account,
            part,
            seq,
            amount,
            currency,
            balance_after,
        } = row
        else {
            return;
        };
        let entry = Entry {
            transaction: transaction.clone(),
            amount: amount.0,
            balance_after: balance_after.0,
        };
        let entries = self.entries.entry((account.clone(), *part)).or_default();
        if entries.insert(*seq, entry).is_some() {
            let twice = format!("part {part} has two entries at {seq}");
            self.torn.push((account.clone(), twice));
        }
        let posting = Posting {
            account: account.clone(),
            amount: amount.0,
            currency: currency.clone(),
        };
        match self.transactions.get_mut(transaction) {
            Some(transaction) => transaction.postings.push(posting),
            None => self.torn.push((
                transaction.clone(),
                "it has a posting and no transaction".to_owned(),
            )),
        }
    }

    /// How many rows there are to be judged.
    pub(super) fn rows(&self) -> usize {
        let entries: usize = self.entries.values().map(BTreeMap::len).sum();
        self.accounts.len()
            + self.transactions.len()
            + entries
            + self.holds.len()
            + self.payments.len()
            + self.charges.len()
    }

    /// How many transactions move an earlier one back.
    pub(super) fn reversals(&self) -> usize {
        let transactions = self.transactions.values();
        transactions
            .filter(|transaction| transaction.of.is_some())
            .count()
    }

    /// How many events were published.
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    /// How much leaders wrote who followed each other: one who leads all the time shows nothing.
    pub(super) fn led(&self) -> usize {
        let led_by_several = |writes: &&BTreeMap<i64, i64>| {
            let first = writes.values().next();
            writes.values().any(|fence| Some(fence) != first)
        };
        self.led.values().filter(led_by_several).map(BTreeMap::len).sum()
    }

    /// Whether anybody recomputed the chain.
    pub(super) fn has_chain(&self) -> bool {
        !self.chain.is_empty()
    }
}

impl Account {
    fn of(row: &Observed) -> Option<Self> {
        let Observed::Account {
            id: _,
            currency,
            posted,
            hold_debits,
            hold_credits,
            floor,
            ceiling,
        } = row
        else {
            return None;
        };
        Some(Self {
            currency: currency.clone(),
            posted: posted.0,
            hold_debits: hold_debits.0,
            hold_credits: hold_credits.0,
            floor: floor.map(|floor| floor.0),
            ceiling: ceiling.map(|ceiling| ceiling.0),
        })
    }
}

impl Hold {
    fn of(row: &Observed) -> Option<Self> {
        let Observed::Hold {
            id: _,
            debit,
            credit,
            amount,
            currency,
            captured,
            released,
            state,
            intent,
            payment,
        } = row
        else {
            return None;
        };
        Some(Self {
            debit: debit.clone(),
            credit: credit.clone(),
            amount: amount.0,
            currency: currency.clone(),
            captured: captured.0,
            released: released.0,
            state: *state,
            intent: intent.clone(),
            payment: payment.clone(),
        })
    }
}

impl Payment {
    fn of(row: &Observed) -> Option<Self> {
        let Observed::Payment {
            id: _,
            debit,
            credit,
            amount,
            currency,
            state,
            refunded,
            intent,
        } = row
        else {
            return None;
        };
        Some(Self {
            debit: debit.clone(),
            credit: credit.clone(),
            amount: amount.0,
            currency: currency.clone(),
            state: state.clone(),
            refunded: refunded.0,
            intent: intent.clone(),
        })
    }
}

impl Transaction {
    fn of(row: &Observed) -> Option<Self> {
        let Observed::Transaction {
            id: _,
            kind,
            hold,
            of,
            intent,
            payment,
        } = row
        else {
            return None;
        };
        Some(Self {
            kind: *kind,
            hold: hold.clone(),
            of: of.clone(),
            intent: intent.clone(),
            payment: payment.clone(),
            postings: Vec::new(),
        })
    }

    /// The sum of what it debits.
    pub(super) fn debited(&self) -> i128 {
        let amounts = self.postings.iter().map(|posting| posting.amount);
        amounts.filter(|amount| *amount > 0).sum()
    }

    /// Debited and credited account of a transaction of two postings.
    pub(super) fn accounts(&self) -> Option<(&Word, &Word)> {
        match &self.postings[..] {
            [one, other] if one.amount > 0 => Some((&one.account, &other.account)),
            [one, other] => Some((&other.account, &one.account)),
            _ => None,
        }
    }

    /// The currency of a transaction in one.
    pub(super) fn currency(&self) -> Option<&Word> {
        self.postings.first().map(|posting| &posting.currency)
    }

    /// What it takes of an account, all in all.
    pub(super) fn debited_of(&self, account: &Word) -> i128 {
        let here = self.postings.iter().filter(|posting| posting.account == *account);
        here.map(|posting| posting.amount).sum()
    }
}

/// As it came.
pub(super) fn minor(amount: Option<Minor>) -> Option<i128> {
    amount.map(|amount| amount.0)
}
