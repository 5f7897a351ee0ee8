//! The state while a batch is decided: changed command by command, and taken back for the one that is refused.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use identity::Tenant;
use ids::Id;

use super::{Decision, Earlier, Key, Moment, PartKey, Row, State};
use crate::ledger::{
    AccountKind, Command, Direction, Entry, Hold, HoldState, Journal, JournalKind, PartBalance, Posting,
    Refusal, part_of,
};

/// What an accepted command made.
pub(super) struct Made {
    /// The index of its row.
    pub(super) row: usize,
    /// The hold it placed or changed.
    pub(super) hold: Option<Hold>,
}

/// What a rule answers for a command that it accepts.
pub(super) struct Effect {
    pub(super) kind: JournalKind,
    pub(super) hold_id: Option<Id>,
    pub(super) refers_to: Option<Id>,
    pub(super) postings: Vec<Posting>,
    pub(super) hold: Option<Hold>,
    /// How much of the row it refers to is reversed after it.
    pub(super) reversed: Option<i64>,
}

/// Which side of a hold on which account.
#[derive(Clone, Copy)]
pub(super) struct HeldSide {
    pub(super) account_id: Id,
    pub(super) direction: Direction,
}

pub(super) struct Working {
    pub(super) state: State,
    pub(super) moment: Moment,
    /// Balances as they were before the command at hand, in the order of its changes.
    undo: Vec<(PartKey, PartBalance)>,
    entries: Vec<Entry>,
    rows: Vec<Row>,
    touched: BTreeSet<PartKey>,
    /// Which of them have new entries: their times are a floor.
    posted: HashSet<PartKey>,
    holds: BTreeMap<Key, bool>,
    reversed: BTreeMap<Key, bool>,
}

impl Working {
    pub(super) fn new(state: State, moment: Moment) -> Self {
        Self {
            state,
            moment,
            undo: Vec::new(),
            entries: Vec::new(),
            rows: Vec::new(),
            touched: BTreeSet::new(),
            posted: HashSet::new(),
            holds: BTreeMap::new(),
            reversed: BTreeMap::new(),
        }
    }

    /// Whole, or not at all.
    pub(super) fn apply(&mut self, command: &Command) -> Result<Made, Refusal> {
        match self.effect(command) {
            Ok(effect) => Ok(self.keep(command, effect)),
            Err(refusal) => {
                while let Some((part, before)) = self.undo.pop() {
                    self.state.balances.insert(part, before);
                }
                self.entries.clear();
                Err(refusal)
            }
        }
    }

    /// Posts one line: judged at once, so that every entry keeps the account's limits.
    pub(super) fn post(&mut self, command: &Command, line: usize, posting: &Posting) -> Result<(), Refusal> {
        let part = self.part(&command.tenant, posting.account_id, command.id);
        let (seq, balance_after) = self.change(&part, |balance| {
            balance.posted = balance
                .posted
                .checked_add(posting.direction.signed(posting.amount))?;
            balance.entries += 1;
            Some(())
        })?;
        self.entries.push(Entry {
            account_id: posting.account_id,
            part: part.2,
            seq,
            journal_id: command.id,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            direction: posting.direction,
            amount: posting.amount,
            currency: posting.currency,
            balance_after,
            at_ms: 0,
        });
        Ok(())
    }

    /// Holds more (or less, with a negative amount) on one side of a part.
    pub(super) fn set_aside(
        &mut self,
        tenant: &Tenant,
        hold_id: Id,
        side: HeldSide,
        amount: i64,
    ) -> Result<(), Refusal> {
        let part = self.part(tenant, side.account_id, hold_id);
        self.change(&part, |balance| {
            let counter = match side.direction {
                Direction::Debit => &mut balance.hold_debits,
                Direction::Credit => &mut balance.hold_credits,
            };
            *counter = counter.checked_add(amount)?;
            Some(())
        })?;
        Ok(())
    }

    /// Spreads a split account's rows over its parts.
    fn part(&self, tenant: &Tenant, account_id: Id, by: Id) -> PartKey {
        let parts = self
            .state
            .accounts
            .get(&(tenant.clone(), account_id))
            .map_or(1, |account| account.parts.max(1));
        (tenant.clone(), account_id, part_of(by, parts))
    }

    /// Changes one part and judges it; answers its entries and its balance.
    fn change(
        &mut self,
        part: &PartKey,
        change: impl FnOnce(&mut PartBalance) -> Option<()>,
    ) -> Result<(i64, i64), Refusal> {
        let account_id = part.1;
        let key = (part.0.clone(), account_id);
        let account = *self
            .state
            .accounts
            .get(&key)
            .ok_or(Refusal::AccountNotFound { account_id })?;
        let before = self.state.balances.get(part).copied().unwrap_or_default();
        let mut balance = before;
        change(&mut balance).ok_or(Refusal::BalanceOverflow { account_id })?;
        let (posted, debits, credits) = (
            i128::from(balance.posted),
            i128::from(balance.hold_debits),
            i128::from(balance.hold_credits),
        );
        let (normal, inwards, outwards) = normal_side(account.kind, posted, debits, credits);
        if account.limits.not_below_zero && normal - outwards < 0 {
            return Err(Refusal::InsufficientFunds { account_id });
        }
        if account.limits.not_above_zero && normal + inwards > 0 {
            return Err(Refusal::LimitExceeded { account_id });
        }
        self.undo.push((part.clone(), before));
        self.state.balances.insert(part.clone(), balance);
        Ok((balance.entries, balance.posted))
    }

    fn keep(&mut self, command: &Command, effect: Effect) -> Made {
        let key = |id: Id| (command.tenant.clone(), id);
        self.touched.extend(self.undo.drain(..).map(|(part, _)| part));
        for entry in &self.entries {
            self.posted
                .insert((command.tenant.clone(), entry.account_id, entry.part));
        }
        if let Some(hold) = &effect.hold {
            let is_new = effect.kind == JournalKind::Hold;
            *self.holds.entry(key(hold.id)).or_insert(is_new) |= is_new;
            self.state.holds.insert(key(hold.id), hold.clone());
        }
        if let (Some(id), Some(reversed)) = (effect.refers_to, effect.reversed)
            && let Some(earlier) = self.state.earlier.get_mut(&key(id))
        {
            self.reversed.entry(key(id)).or_insert(earlier.reversed == 0);
            earlier.reversed = reversed;
        }
        self.state.taken.insert(key(command.id));
        self.state.earlier.insert(
            key(command.id),
            Earlier {
                kind: effect.kind,
                postings: effect.postings.clone(),
                reversed: 0,
            },
        );
        self.rows.push(Row {
            journal: Journal {
                tenant: command.tenant.clone(),
                id: command.id,
                kind: effect.kind,
                at_ms: 0,
                hold_id: effect.hold_id,
                refers_to: effect.refers_to,
                details: command.chained_details().into_owned(),
                postings: effect.postings,
                reversed: 0,
            },
            entries: std::mem::take(&mut self.entries),
        });
        Made {
            row: self.rows.len() - 1,
            hold: effect.hold,
        }
    }

    /// Gives every row its time, now that all that are touched are known.
    pub(super) fn finish(mut self) -> Decision {
        let last = |part: &PartKey| {
            self.state
                .balances
                .get(part)
                .map_or(0, |balance| balance.last_at_ms)
        };
        let at_ms = self
            .touched
            .iter()
            .map(last)
            .max()
            .unwrap_or(0)
            .max(self.moment.floor_ms);
        for row in &mut self.rows {
            row.journal.at_ms = at_ms;
            for entry in &mut row.entries {
                entry.at_ms = at_ms;
            }
        }
        let mut decision = Decision {
            at_ms,
            ..Decision::default()
        };
        for part in self.touched {
            let mut balance = self.state.balances.remove(&part).unwrap_or_default();
            if self.posted.contains(&part) {
                balance.last_at_ms = at_ms;
            }
            decision.balances.insert(part, balance);
        }
        for (key, is_new) in self.holds {
            if let Some(mut hold) = self.state.holds.remove(&key) {
                if is_new {
                    hold.created_at_ms = at_ms;
                }
                decision.holds.insert(key, (hold, is_new));
            }
        }
        for (key, is_new) in self.reversed {
            if let Some(earlier) = self.state.earlier.get(&key) {
                decision.reversed.insert(key, (earlier.reversed, is_new));
            }
        }
        decision.rows = self.rows;
        decision
    }
}

/// A balance as its account shows it: how much, and what is held to make it larger and smaller.
fn normal_side(kind: AccountKind, posted: i128, debits: i128, credits: i128) -> (i128, i128, i128) {
    if kind.is_debit_normal() {
        (posted, debits, credits)
    } else {
        (-posted, credits, debits)
    }
}

/// A hold after `amount` of it was captured and `released` let go.
pub(super) fn taken_from(hold: &Hold, amount: i64, released: i64, state: HoldState) -> Hold {
    let mut hold = hold.clone();
    hold.captured += amount;
    hold.released += released;
    if hold.remaining() == 0 {
        hold.state = state;
    }
    hold
}
