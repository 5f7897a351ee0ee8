//! What commands refer to, and what follows from it for their lines.

use std::collections::{HashMap, HashSet};

use identity::Tenant;
use ids::Id;

use super::{Planned, balances, status};
use crate::ledger::{
    Action, Amount, Claim, Command, Currency, Direction, Hold, Journal, JournalKind, NewHold, Posting,
};

/// What of a hold never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Terms {
    pub(in super::super) debit_account_id: Id,
    pub(in super::super) credit_account_id: Id,
    pub(in super::super) amount: Amount,
    pub(in super::super) currency: Currency,
    pub(in super::super) expires_at_ms: u64,
    /// `None` while it is being placed: the time of the batch.
    pub(in super::super) created_at_ms: Option<u64>,
}

impl From<&Hold> for Terms {
    fn from(hold: &Hold) -> Self {
        Self {
            debit_account_id: hold.debit_account_id,
            credit_account_id: hold.credit_account_id,
            amount: hold.amount,
            currency: hold.currency,
            expires_at_ms: hold.expires_at_ms,
            created_at_ms: Some(hold.created_at_ms),
        }
    }
}

impl From<&NewHold> for Terms {
    fn from(new: &NewHold) -> Self {
        Self {
            debit_account_id: new.debit_account_id,
            credit_account_id: new.credit_account_id,
            amount: new.amount,
            currency: new.currency,
            expires_at_ms: new.expires_at_ms,
            created_at_ms: None,
        }
    }
}

/// What of a row of the journal a reversal asks for.
#[derive(Debug, Clone)]
pub(in super::super) struct Earlier {
    pub(in super::super) kind: JournalKind,
    pub(in super::super) postings: Vec<Posting>,
}

/// What was found in the tables of holds and rows that commands name.
#[derive(Debug, Default)]
pub(in super::super) struct Known {
    holds: HashMap<(String, Id), Terms>,
    earlier: HashMap<(String, Id), Earlier>,
    /// Keys on record; looked up only where it matters.
    keys: HashSet<Vec<u8>>,
}

impl Known {
    pub(in super::super) fn of(holds: &[Hold], journals: Vec<Journal>, keys: Vec<Vec<u8>>) -> Self {
        let key = |tenant: &Tenant, id: Id| (tenant.as_str().to_owned(), id);
        Self {
            keys: keys.into_iter().collect(),
            holds: holds
                .iter()
                .map(|hold| (key(&hold.tenant, hold.id), Terms::from(hold)))
                .collect(),
            earlier: journals
                .into_iter()
                .map(|row| {
                    let earlier = Earlier {
                        kind: row.kind,
                        postings: row.postings,
                    };
                    (key(&row.tenant, row.id), earlier)
                })
                .collect(),
        }
    }

    pub(super) fn hold(&self, tenant: &str, id: Id) -> Option<&Terms> {
        if self.holds.is_empty() {
            return None;
        }
        self.holds.get(&(tenant.to_owned(), id))
    }

    pub(super) fn earlier(&self, tenant: &str, id: Id) -> Option<&Earlier> {
        self.earlier.get(&(tenant.to_owned(), id))
    }
}

/// One command; `here` knows the earlier ones of its batch.
pub(super) fn plan<'a, 'b>(
    command: &'a Command,
    known: &Known,
    here: impl Fn(Id) -> Option<&'b Planned<'a>>,
) -> Planned<'a>
where
    'a: 'b,
{
    let is_on_record = |claim: &Claim| known.keys.contains(claim.key.as_slice());
    let mut planned = Planned {
        command,
        is_replay: command.claim.as_ref().is_some_and(is_on_record),
        kind: JournalKind::Transfer,
        pre: status::ACCEPTED,
        postings: Vec::new(),
        has_fixed_amounts: true,
        terms: None,
        hold_id: None,
        refers_to: None,
    };
    match &command.action {
        Action::Transact(transaction) => {
            planned.kind = transaction.kind;
            planned.postings.clone_from(&transaction.postings);
            if planned.postings.len() < 2 || !balances(&planned.postings) {
                planned.pre = status::UNBALANCED;
            }
        }
        Action::Hold(new) => {
            planned.kind = JournalKind::Hold;
            planned.hold_id = Some(command.id);
            planned.terms = Some(Terms::from(new));
        }
        Action::Capture { hold_id, .. } => {
            planned.of_hold(JournalKind::Capture, *hold_id, known, here);
            planned.has_fixed_amounts = false;
            if let Some(terms) = &planned.terms {
                let line = |account_id, direction| Posting {
                    account_id,
                    direction,
                    amount: terms.amount,
                    currency: terms.currency,
                };
                planned.postings = vec![
                    line(terms.debit_account_id, Direction::Debit),
                    line(terms.credit_account_id, Direction::Credit),
                ];
            }
        }
        Action::Void { hold_id } => planned.of_hold(JournalKind::Void, *hold_id, known, here),
        Action::Expire { hold_id } => planned.of_hold(JournalKind::Expiry, *hold_id, known, here),
        Action::Reverse { journal_id, amount } => planned.reverse(*journal_id, *amount, known, here),
    }
    planned
}

impl<'a> Planned<'a> {
    fn of_hold<'b>(
        &mut self,
        kind: JournalKind,
        hold_id: Id,
        known: &Known,
        here: impl Fn(Id) -> Option<&'b Planned<'a>>,
    ) where
        'a: 'b,
    {
        self.kind = kind;
        self.hold_id = Some(hold_id);
        let placed = || here(hold_id).filter(|earlier| earlier.kind == JournalKind::Hold);
        self.terms = known
            .hold(self.command.tenant.as_str(), hold_id)
            .cloned()
            .or_else(|| placed().and_then(|earlier| earlier.terms.clone()));
        if self.terms.is_none() {
            self.pre = status::HOLD_NOT_FOUND;
        }
    }

    fn reverse<'b>(
        &mut self,
        journal_id: Id,
        amount: Option<Amount>,
        known: &Known,
        here: impl Fn(Id) -> Option<&'b Planned<'a>>,
    ) where
        'a: 'b,
    {
        self.kind = JournalKind::Reversal;
        self.refers_to = Some(journal_id);
        let stored = known.earlier(self.command.tenant.as_str(), journal_id);
        let (kind, postings) = match (stored, here(journal_id)) {
            (Some(earlier), _) => (earlier.kind, &earlier.postings),
            (None, Some(earlier)) => (earlier.kind, &earlier.postings),
            (None, None) => {
                self.pre = status::TRANSFER_NOT_FOUND;
                return;
            }
        };
        let moved_first = matches!(
            kind,
            JournalKind::Transfer | JournalKind::Transaction | JournalKind::Capture | JournalKind::Adjustment
        );
        let two_sided = postings.len() == 2;
        if !moved_first || !(two_sided || amount.is_none()) {
            self.pre = status::NOT_REVERSIBLE;
            return;
        }
        self.has_fixed_amounts = !two_sided;
        self.postings = postings
            .iter()
            .map(|posting| Posting {
                direction: posting.direction.turned(),
                ..*posting
            })
            .collect();
    }
}
