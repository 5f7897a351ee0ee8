//! What may happen, drawn at random: mostly what makes sense, sometimes what does not.

use payment::ledger::{Action, Command, Direction, JournalKind, NewHold, Posting};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::books::{amount, claim, command, id, posting};

/// The accounts of a script; one more does not exist.
pub(super) const ACCOUNTS: u64 = 9;

/// What a step does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Transfer(u64, u64, i64),
    /// Debits of one account, credits of others.
    Spread(u64, Vec<(u64, i64)>),
    /// Lines that need not balance.
    Lines(Vec<(u64, bool, i64)>),
    Hold(u64, u64, i64, u64),
    Capture(Index, Option<i64>, bool),
    Void(Index),
    Expire(Index),
    Reverse(Index, Option<i64>),
    /// An earlier command again, as a client does that heard nothing.
    Replay(Index),
    /// An earlier one's key or id for something else.
    KeyReused(Index, u64, u64),
    /// An earlier id for a transfer, or for a hold.
    IdReused(Index, u64, u64, bool),
}

/// Steps that are committed in one call.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) steps: Vec<(Step, bool)>,
    pub(super) together: bool,
    pub(super) shard: i16,
    /// How much later than the one before.
    pub(super) later_ms: u64,
    /// An account that somebody tries to close afterwards.
    pub(super) close: Option<u64>,
}

fn minor() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 1..120_i64,
        1 => Just(i64::MAX),
        1 => Just(i64::MAX / 2 + 1),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let account = || 1..=ACCOUNTS + 1;
    let index = any::<Index>;
    prop_oneof![
        10 => (account(), account(), minor()).prop_map(|(d, c, m)| Step::Transfer(d, c, m)),
        3 => (account(), vec((account(), 1..50_i64), 1..5)).prop_map(|(d, c)| Step::Spread(d, c)),
        1 => vec((account(), any::<bool>(), 1..5_i64), 0..5).prop_map(Step::Lines),
        6 => (account(), account(), minor(), 1..30_u64).prop_map(|(d, c, m, t)| Step::Hold(d, c, m, t)),
        6 => (index(), option::of(1..80_i64), any::<bool>()).prop_map(|(h, m, l)| Step::Capture(h, m, l)),
        2 => index().prop_map(Step::Void),
        2 => index().prop_map(Step::Expire),
        5 => (index(), option::of(1..80_i64)).prop_map(|(j, m)| Step::Reverse(j, m)),
        3 => index().prop_map(Step::Replay),
        1 => (index(), account(), account()).prop_map(|(k, d, c)| Step::KeyReused(k, d, c)),
        2 => (index(), account(), account(), any::<bool>()).prop_map(|(k, d, c, h)| Step::IdReused(k, d, c, h)),
    ]
}

pub(super) fn groups() -> impl Strategy<Value = Vec<Group>> {
    let group = (
        vec((step(), any::<bool>()), 1..7),
        proptest::bool::weighted(0.2),
        0..3_i16,
        0..10_u64,
        option::weighted(0.1, 1..=ACCOUNTS),
    );
    let group = group.prop_map(|(steps, together, shard, later_ms, close)| Group {
        steps,
        together,
        shard,
        later_ms,
        close,
    });
    vec(group, 1..14)
}

/// Makes commands of steps: remembers what was asked, so that later steps can refer to it.
pub(super) struct Teller {
    pub(super) asked: Vec<Command>,
    next: u64,
}

impl Teller {
    pub(super) const fn new() -> Self {
        Self {
            asked: Vec::new(),
            next: 1_000,
        }
    }

    pub(super) fn command(&mut self, step: &Step, with_key: bool, now_ms: u64) -> Command {
        let made = self.made(step, now_ms);
        let command = match (with_key, made.claim.is_some()) {
            (true, false) => {
                let key = format!("key of {}", self.next);
                Command {
                    claim: Some(claim(&key, &format!("{:?}", made.action))),
                    ..made
                }
            }
            _ => made,
        };
        self.asked.push(command.clone());
        command
    }

    fn made(&mut self, step: &Step, now_ms: u64) -> Command {
        // Distances that reach different parts of a split account.
        self.next += 1 + self.next % 3;
        let number = self.next;
        let earlier = |index: &Index| self.earlier(index);
        let action = match step {
            Step::Transfer(debit, credit, minor) => return transfer(number, *debit, *credit, *minor),
            Step::Spread(debit, credits) => {
                let total = credits.iter().map(|(_, minor)| minor).sum();
                let mut lines = vec![line(*debit, Direction::Debit, total)];
                lines.extend(
                    credits
                        .iter()
                        .map(|(account, minor)| line(*account, Direction::Credit, *minor)),
                );
                return crate::books::transact(number, JournalKind::Transaction, lines);
            }
            Step::Lines(lines) => {
                let lines = lines.iter().map(|(account, debit, minor)| {
                    let direction = if *debit {
                        Direction::Debit
                    } else {
                        Direction::Credit
                    };
                    line(*account, direction, *minor)
                });
                return crate::books::transact(number, JournalKind::Adjustment, lines.collect());
            }
            Step::Hold(debit, credit, minor, lasts_ms) => Action::Hold(NewHold {
                debit_account_id: id(*debit),
                credit_account_id: id(*credit),
                amount: amount(*minor),
                currency: currency(*debit).parse().unwrap(),
                expires_at_ms: now_ms + lasts_ms,
            }),
            Step::Capture(hold, minor, last) => Action::Capture {
                hold_id: self.a_hold(hold).unwrap_or_else(|| earlier(hold).id),
                amount: minor.map(amount),
                last: *last,
            },
            Step::Void(hold) => Action::Void {
                hold_id: self.a_hold(hold).unwrap_or_else(|| earlier(hold).id),
            },
            Step::Expire(hold) => Action::Expire {
                hold_id: self.a_hold(hold).unwrap_or_else(|| earlier(hold).id),
            },
            Step::Reverse(row, minor) => Action::Reverse {
                journal_id: earlier(row).id,
                amount: minor.map(amount),
            },
            Step::Replay(_) | Step::KeyReused(..) | Step::IdReused(..) => return self.again(step, now_ms),
        };
        command(number, action)
    }

    fn earlier(&self, index: &Index) -> Command {
        let found = (!self.asked.is_empty()).then(|| index.get(&self.asked).clone());
        found.unwrap_or_else(|| transfer(self.next, 1, 2, 1))
    }

    /// An earlier command, or something of it.
    fn again(&self, step: &Step, now_ms: u64) -> Command {
        let number = self.next;
        match step {
            Step::KeyReused(index, debit, credit) => {
                let key = self.earlier(index).claim;
                let other = claim("", &format!("other {number}"));
                Command {
                    claim: key.map(|claim| payment::ledger::Claim {
                        fingerprint: other.fingerprint,
                        ..claim
                    }),
                    ..transfer(number, *debit, *credit, 3)
                }
            }
            Step::IdReused(index, debit, credit, false) => Command {
                id: self.earlier(index).id,
                ..transfer(number, *debit, *credit, 3)
            },
            Step::IdReused(index, debit, credit, true) => {
                let earlier = self.a_hold(index).unwrap_or_else(|| self.earlier(index).id);
                let hold = Action::Hold(NewHold {
                    debit_account_id: id(*debit),
                    credit_account_id: id(*credit),
                    amount: amount(3),
                    currency: currency(*debit).parse().unwrap(),
                    expires_at_ms: now_ms + 20,
                });
                Command {
                    id: earlier,
                    ..command(number, hold)
                }
            }
            Step::Replay(index) => {
                // With a fresh id, as a service would bring; without a key it is the same id again.
                let again = self.earlier(index);
                let id = if again.claim.is_some() {
                    id(number)
                } else {
                    again.id
                };
                Command { id, ..again }
            }
            _ => unreachable!("only steps that refer to a command as a whole"),
        }
    }

    /// One of the holds that were asked for.
    fn a_hold(&self, index: &Index) -> Option<payment::ledger::Id> {
        let holds: Vec<_> = self
            .asked
            .iter()
            .filter(|command| matches!(command.action, Action::Hold(_)))
            .map(|command| command.id)
            .collect();
        (!holds.is_empty()).then(|| *index.get(&holds))
    }
}

/// Account 8 is in yen.
pub(super) const fn currency(account: u64) -> &'static str {
    if account == 8 { "JPY" } else { "EUR" }
}

fn line(account: u64, direction: Direction, minor: i64) -> Posting {
    posting(account, direction, minor, currency(account))
}

fn transfer(number: u64, debit: u64, credit: u64, minor: i64) -> Command {
    crate::books::transfer(number, debit, credit, minor)
}
