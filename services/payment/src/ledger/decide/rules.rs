//! A rule an action.

use std::collections::BTreeMap;

use ids::Id;

use super::working::{Effect, HeldSide, Working, taken_from};
use crate::ledger::{
    Action, Amount, Command, Currency, Direction, Hold, HoldState, JournalKind, NewHold, Posting, Refusal,
};

impl Working {
    pub(super) fn effect(&mut self, command: &Command) -> Result<Effect, Refusal> {
        if self.state.taken.contains(&(command.tenant.clone(), command.id)) {
            return Err(Refusal::IdTaken { id: command.id });
        }
        match &command.action {
            Action::Transact(transaction) => {
                self.transact(command, transaction.kind, transaction.postings.clone())
            }
            Action::Hold(new) => self.place(command, new),
            Action::Capture {
                hold_id,
                amount,
                last,
            } => self.capture(command, *hold_id, *amount, *last),
            Action::Void { hold_id } => self.void(command, *hold_id),
            Action::Expire { hold_id } => self.expire(command, *hold_id),
            Action::Reverse { journal_id, amount } => self.reverse(command, *journal_id, *amount),
        }
    }

    fn transact(
        &mut self,
        command: &Command,
        kind: JournalKind,
        postings: Vec<Posting>,
    ) -> Result<Effect, Refusal> {
        if postings.len() < 2 || !balances(&postings) {
            return Err(Refusal::Unbalanced);
        }
        self.post_all(command, &postings)?;
        Ok(Effect {
            kind,
            hold_id: None,
            refers_to: None,
            postings,
            hold: None,
            reversed: None,
        })
    }

    /// First all accounts are looked at, then the lines are posted one by one.
    fn post_all(&mut self, command: &Command, postings: &[Posting]) -> Result<(), Refusal> {
        for posting in postings {
            self.usable(command, posting.account_id, posting.currency)?;
        }
        for (line, posting) in postings.iter().enumerate() {
            self.post(command, line, posting)?;
        }
        Ok(())
    }

    fn usable(&self, command: &Command, account_id: Id, currency: Currency) -> Result<(), Refusal> {
        let account = self
            .state
            .accounts
            .get(&(command.tenant.clone(), account_id))
            .ok_or(Refusal::AccountNotFound { account_id })?;
        if account.closed {
            return Err(Refusal::AccountClosed { account_id });
        }
        if account.currency != currency {
            return Err(Refusal::CurrencyMismatch { account_id });
        }
        Ok(())
    }

    fn place(&mut self, command: &Command, new: &NewHold) -> Result<Effect, Refusal> {
        for account_id in [new.debit_account_id, new.credit_account_id] {
            self.usable(command, account_id, new.currency)?;
        }
        let hold = Hold {
            tenant: command.tenant.clone(),
            id: command.id,
            debit_account_id: new.debit_account_id,
            credit_account_id: new.credit_account_id,
            amount: new.amount,
            currency: new.currency,
            captured: 0,
            released: 0,
            state: HoldState::Open,
            expires_at_ms: new.expires_at_ms,
            created_at_ms: self.moment.now_ms,
        };
        self.set_aside_both(&hold, new.amount.minor())?;
        Ok(of_hold(JournalKind::Hold, hold))
    }

    fn set_aside_both(&mut self, hold: &Hold, amount: i64) -> Result<(), Refusal> {
        for side in [
            HeldSide {
                account_id: hold.debit_account_id,
                direction: Direction::Debit,
            },
            HeldSide {
                account_id: hold.credit_account_id,
                direction: Direction::Credit,
            },
        ] {
            self.set_aside(&hold.tenant, hold.id, side, amount)?;
        }
        Ok(())
    }

    fn open_hold(&self, command: &Command, hold_id: Id) -> Result<Hold, Refusal> {
        let hold = self
            .state
            .holds
            .get(&(command.tenant.clone(), hold_id))
            .ok_or(Refusal::HoldNotFound { hold_id })?;
        if hold.state != HoldState::Open {
            return Err(Refusal::HoldNotOpen { hold_id });
        }
        Ok(hold.clone())
    }

    #[expect(clippy::similar_names, reason = "the words of the domain are alike")]
    fn capture(
        &mut self,
        command: &Command,
        hold_id: Id,
        amount: Option<Amount>,
        last: bool,
    ) -> Result<Effect, Refusal> {
        let hold = self.open_hold(command, hold_id)?;
        if hold.expires_at_ms <= self.moment.now_ms {
            return Err(Refusal::HoldExpired { hold_id });
        }
        let remaining = hold.remaining();
        let exceeds = || Refusal::CaptureExceedsHold {
            hold_id,
            remaining: remaining.to_string(),
        };
        let amount = amount.or(Amount::from_minor(remaining)).ok_or_else(exceeds)?;
        if amount.minor() > remaining && is_checked() {
            return Err(exceeds());
        }
        let held = amount.minor().min(remaining);
        let released = if last { remaining - held } else { 0 };
        let hold = taken_from(&hold, held, released, HoldState::Captured);
        // What is held makes room first: the postings then take no more than was promised.
        self.set_aside_both(&hold, -(held + released))?;
        let line = |account_id, direction| Posting {
            account_id,
            direction,
            amount,
            currency: hold.currency,
        };
        let postings = vec![
            line(hold.debit_account_id, Direction::Debit),
            line(hold.credit_account_id, Direction::Credit),
        ];
        for (place, posting) in postings.iter().enumerate() {
            self.post(command, place, posting)?;
        }
        Ok(Effect {
            postings,
            ..of_hold(JournalKind::Capture, hold)
        })
    }

    fn void(&mut self, command: &Command, hold_id: Id) -> Result<Effect, Refusal> {
        let hold = self.open_hold(command, hold_id)?;
        self.let_go(&hold, JournalKind::Void, HoldState::Voided)
    }

    fn expire(&mut self, command: &Command, hold_id: Id) -> Result<Effect, Refusal> {
        let hold = self.open_hold(command, hold_id)?;
        if self.moment.now_ms < hold.expires_at_ms {
            return Err(Refusal::HoldNotExpired { hold_id });
        }
        self.let_go(&hold, JournalKind::Expiry, HoldState::Expired)
    }

    fn let_go(&mut self, hold: &Hold, kind: JournalKind, state: HoldState) -> Result<Effect, Refusal> {
        let rest = hold.remaining();
        self.set_aside_both(hold, -rest)?;
        Ok(of_hold(kind, taken_from(hold, 0, rest, state)))
    }

    fn reverse(
        &mut self,
        command: &Command,
        journal_id: Id,
        amount: Option<Amount>,
    ) -> Result<Effect, Refusal> {
        let earlier = self
            .state
            .earlier
            .get(&(command.tenant.clone(), journal_id))
            .ok_or(Refusal::TransferNotFound { journal_id })?;
        let two_sided = earlier.postings.len() == 2;
        let moved = match earlier.kind {
            JournalKind::Transfer
            | JournalKind::Transaction
            | JournalKind::Capture
            | JournalKind::Adjustment => earlier.postings.first().map(|posting| posting.amount.minor()),
            JournalKind::Hold | JournalKind::Void | JournalKind::Expiry | JournalKind::Reversal => None,
        };
        let Some(moved) = moved.filter(|_| two_sided || amount.is_none()) else {
            return Err(Refusal::NotReversible { journal_id });
        };
        let rest = moved - earlier.reversed;
        let wanted = amount.or(Amount::from_minor(rest));
        let Some(wanted) = wanted.filter(|wanted| wanted.minor() <= rest) else {
            return Err(Refusal::ReversalExceeds {
                journal_id,
                remaining: rest.to_string(),
            });
        };
        let reversed = earlier.reversed + wanted.minor();
        let turned = |posting: &Posting| Posting {
            direction: posting.direction.turned(),
            // A bigger row is reversed whole, each line by its own amount.
            amount: if two_sided { wanted } else { posting.amount },
            ..*posting
        };
        let postings: Vec<Posting> = earlier.postings.iter().map(turned).collect();
        self.post_all(command, &postings)?;
        Ok(Effect {
            kind: JournalKind::Reversal,
            hold_id: None,
            refers_to: Some(journal_id),
            postings,
            hold: None,
            reversed: Some(reversed),
        })
    }
}

fn of_hold(kind: JournalKind, hold: Hold) -> Effect {
    Effect {
        kind,
        hold_id: Some(hold.id),
        refers_to: None,
        postings: Vec::new(),
        hold: Some(hold),
        reversed: None,
    }
}

/// Whether debits equal credits in every currency.
fn balances(postings: &[Posting]) -> bool {
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for posting in postings {
        *sums.entry(posting.currency).or_default() += i128::from(posting.direction.signed(posting.amount));
    }
    sums.values().all(|sum| *sum == 0)
}

/// Whether a capture looks at what its hold has left. Always, but for a planted bug.
fn is_checked() -> bool {
    #[cfg(feature = "planted-bugs")]
    let unchecked = planted_bugs::is_planted(planted_bugs::Bug::CaptureUnchecked);
    #[cfg(not(feature = "planted-bugs"))]
    let unchecked = false;
    !unchecked
}
