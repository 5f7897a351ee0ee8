//! A rule each.

mod keys;

use super::*;
use crate::ledger::{Action, Amount, Direction, HoldState, NewHold, NewTransaction};

const NOW_MS: u64 = 1_000;
const NOW: Moment = Moment {
    now_ms: NOW_MS,
    floor_ms: NOW_MS,
};

fn id(number: u64) -> Id {
    Id::from_u64(number).unwrap()
}

fn tenant() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn key(number: u64) -> Key {
    (tenant(), id(number))
}

fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn free(kind: AccountKind) -> AccountFacts {
    AccountFacts {
        currency: "EUR".parse().unwrap(),
        kind,
        limits: Limits::default(),
        parts: 1,
        closed: false,
    }
}

/// 1 and 2 are wallets that may not go below zero and have 100 each, 3 is an asset without limits, 4 may not go above zero (a credit
/// line that is paid back), 5 is closed, 6 is in yen.
fn state() -> State {
    let wallet = AccountFacts {
        limits: Limits {
            not_below_zero: true,
            not_above_zero: false,
        },
        ..free(AccountKind::Liability)
    };
    let line = AccountFacts {
        limits: Limits {
            not_below_zero: false,
            not_above_zero: true,
        },
        ..free(AccountKind::Liability)
    };
    let closed = AccountFacts {
        closed: true,
        ..free(AccountKind::Asset)
    };
    let yen = AccountFacts {
        currency: "JPY".parse().unwrap(),
        ..free(AccountKind::Asset)
    };
    let mut state = State::default();
    let accounts = [wallet, wallet, free(AccountKind::Asset), line, closed, yen];
    for (number, facts) in (1..).zip(accounts) {
        let posted = match number {
            1 | 2 => -100,
            3 => 200,
            _ => 0,
        };
        state.accounts.insert(key(number), facts);
        let balance = PartBalance {
            posted,
            entries: 7,
            last_at_ms: 900,
            ..PartBalance::default()
        };
        state.balances.insert((tenant(), id(number), 0), balance);
    }
    state
}

fn command(number: u64, action: Action) -> Command {
    Command {
        tenant: tenant(),
        id: id(number),
        claim: None,
        details: "{}".to_owned(),
        action,
    }
}

fn posting(account: u64, direction: Direction, minor: i64, currency: &str) -> Posting {
    Posting {
        account_id: id(account),
        direction,
        amount: amount(minor),
        currency: currency.parse().unwrap(),
    }
}

fn transact(number: u64, postings: Vec<Posting>) -> Command {
    let kind = JournalKind::Transfer;
    command(number, Action::Transact(NewTransaction { kind, postings }))
}

fn transfer(number: u64, debit: u64, credit: u64, minor: i64) -> Command {
    let postings = vec![
        posting(debit, Direction::Debit, minor, "EUR"),
        posting(credit, Direction::Credit, minor, "EUR"),
    ];
    transact(number, postings)
}

fn hold(number: u64, debit: u64, credit: u64, minor: i64) -> Command {
    let new = NewHold {
        debit_account_id: id(debit),
        credit_account_id: id(credit),
        amount: amount(minor),
        currency: "EUR".parse().unwrap(),
        expires_at_ms: NOW_MS + 1,
    };
    command(number, Action::Hold(new))
}

fn capture(number: u64, hold: u64, minor: Option<i64>, last: bool) -> Command {
    let action = Action::Capture {
        hold_id: id(hold),
        amount: minor.map(amount),
        last,
    };
    command(number, action)
}

fn void(number: u64, hold: u64) -> Command {
    command(number, Action::Void { hold_id: id(hold) })
}

fn reverse(number: u64, journal: u64, minor: Option<i64>) -> Command {
    let action = Action::Reverse {
        journal_id: id(journal),
        amount: minor.map(amount),
    };
    command(number, action)
}

fn keyed(mut command: Command, key: u8, asked: &[u8]) -> Command {
    command.claim = Some(Claim {
        key: [key; 32],
        fingerprint: Fingerprint::of("POST", "/", asked),
        expires_at_ms: NOW_MS + 10,
    });
    command
}

fn decided(commands: &[Command]) -> Decision {
    decide(state(), commands, false, NOW)
}

/// What the last of them hears.
fn refusal(commands: &[Command]) -> Refusal {
    let decision = decided(commands);
    let last = decision.outcomes.last().unwrap().clone();
    last.unwrap_err()
}

fn balance(decision: &Decision, account: u64) -> PartBalance {
    decision.balances[&(tenant(), id(account), 0)]
}

#[test]
fn a_transfer_makes_two_entries_that_follow_those_before() {
    let decision = decided(&[transfer(10, 1, 2, 40)]);
    assert!(matches!(decision.outcomes[0], Ok(Outcome::Fresh(_))));
    assert_eq!(decision.at_ms, NOW_MS);
    let entries = &decision.rows[0].entries;
    let seen: Vec<_> = entries
        .iter()
        .map(|e| (e.line, e.seq, e.balance_after, e.at_ms))
        .collect();
    assert_eq!(seen, [(0, 8, -60, NOW_MS), (1, 8, -140, NOW_MS)]);
    assert_eq!(
        (balance(&decision, 1).entries, balance(&decision, 1).posted),
        (8, -60)
    );
    assert_eq!(balance(&decision, 2).last_at_ms, NOW_MS);
}

#[test]
fn time_never_goes_back_behind_what_is_touched_or_sealed() {
    let early = Moment {
        now_ms: 5,
        floor_ms: 5,
    };
    assert_eq!(decide(state(), &[transfer(10, 1, 2, 1)], false, early).at_ms, 900);
    let late = Moment {
        now_ms: 5,
        floor_ms: 901,
    };
    assert_eq!(decide(state(), &[transfer(10, 1, 2, 1)], false, late).at_ms, 901);
}

#[test]
fn what_is_wrong_with_a_transaction_is_named() {
    let unbalanced = vec![
        posting(1, Direction::Debit, 5, "EUR"),
        posting(2, Direction::Credit, 4, "EUR"),
    ];
    assert_eq!(refusal(&[transact(10, unbalanced)]), Refusal::Unbalanced);
    let crossed = vec![
        posting(3, Direction::Debit, 5, "EUR"),
        posting(6, Direction::Credit, 5, "JPY"),
    ];
    assert_eq!(refusal(&[transact(10, crossed)]), Refusal::Unbalanced);
    assert_eq!(refusal(&[transact(10, Vec::new())]), Refusal::Unbalanced);
    assert_eq!(
        refusal(&[transfer(10, 1, 77, 5)]),
        Refusal::AccountNotFound { account_id: id(77) }
    );
    assert_eq!(
        refusal(&[transfer(10, 5, 1, 5)]),
        Refusal::AccountClosed { account_id: id(5) }
    );
    assert_eq!(
        refusal(&[transfer(10, 1, 6, 5)]),
        Refusal::CurrencyMismatch { account_id: id(6) }
    );
    assert_eq!(
        refusal(&[transfer(10, 1, 2, 5), transfer(10, 1, 2, 5)]),
        Refusal::IdTaken { id: id(10) }
    );
}

#[test]
fn no_account_passes_its_limits_at_any_entry() {
    assert_eq!(
        refusal(&[transfer(10, 1, 2, 101)]),
        Refusal::InsufficientFunds { account_id: id(1) }
    );
    decided(&[transfer(10, 1, 2, 100)]).outcomes[0].as_ref().unwrap();
    assert_eq!(
        refusal(&[transfer(10, 3, 4, 1)]),
        Refusal::LimitExceeded { account_id: id(4) }
    );
    // Whole it would be allowed, but one entry on the way would not.
    let there_and_back = vec![
        posting(1, Direction::Debit, 101, "EUR"),
        posting(3, Direction::Credit, 101, "EUR"),
        posting(1, Direction::Credit, 50, "EUR"),
        posting(3, Direction::Debit, 50, "EUR"),
    ];
    let (refused, mut turned) = (transact(10, there_and_back.clone()), there_and_back);
    assert_eq!(
        refusal(&[refused]),
        Refusal::InsufficientFunds { account_id: id(1) }
    );
    turned.rotate_left(2);
    decided(&[transact(10, turned)]).outcomes[0].as_ref().unwrap();
}

#[test]
fn a_refused_command_leaves_nothing_for_those_after_it() {
    let decision = decided(&[
        transfer(10, 1, 5, 60),
        transfer(11, 1, 2, 101),
        transfer(12, 1, 2, 100),
    ]);
    assert!(decision.outcomes[0].is_err() && decision.outcomes[1].is_err());
    decision.outcomes[2].as_ref().unwrap();
    assert_eq!(decision.rows.len(), 1);
    assert_eq!(balance(&decision, 1).posted, 0);
}

#[test]
fn a_balance_stays_within_64_bits() {
    let max = i64::MAX;
    let mut state = state();
    state.accounts.insert(key(7), free(AccountKind::Asset));
    let most = [transfer(10, 7, 3, max), transfer(11, 7, 3, 1)];
    let decision = decide(state, &most, false, NOW);
    decision.outcomes[0].as_ref().unwrap();
    let overflow = Refusal::BalanceOverflow { account_id: id(7) };
    assert_eq!(decision.outcomes[1], Err(overflow));
    assert_eq!(balance(&decision, 7).posted, max);
}

#[test]
fn held_money_is_not_available_twice() {
    let decision = decided(&[hold(10, 1, 2, 70), transfer(11, 1, 2, 31), transfer(12, 1, 2, 30)]);
    decision.outcomes[0].as_ref().unwrap();
    assert_eq!(
        decision.outcomes[1],
        Err(Refusal::InsufficientFunds { account_id: id(1) })
    );
    decision.outcomes[2].as_ref().unwrap();
    assert_eq!(balance(&decision, 1).hold_debits, 70);
    assert_eq!(balance(&decision, 2).hold_credits, 70);
    // What is held for an account counts against its upper limit.
    let paid = [transfer(9, 4, 3, 50), hold(10, 3, 4, 51)];
    assert_eq!(refusal(&paid), Refusal::LimitExceeded { account_id: id(4) });
    let unknown = Refusal::AccountNotFound { account_id: id(77) };
    assert_eq!(refusal(&[hold(10, 1, 77, 5)]), unknown);
}

#[test]
fn a_hold_is_captured_in_parts_and_never_beyond() {
    let decision = decided(&[
        hold(10, 1, 2, 70),
        capture(11, 10, Some(30), false),
        capture(12, 10, Some(41), false),
        capture(13, 10, None, false),
        capture(14, 10, None, false),
    ]);
    let exceeds = Refusal::CaptureExceedsHold {
        hold_id: id(10),
        remaining: "40".to_owned(),
    };
    assert_eq!(decision.outcomes[2], Err(exceeds));
    assert_eq!(
        decision.outcomes[4],
        Err(Refusal::HoldNotOpen { hold_id: id(10) })
    );
    let (hold, is_new) = &decision.holds[&key(10)];
    assert!(*is_new);
    assert_eq!(
        (hold.captured, hold.released, hold.state),
        (70, 0, HoldState::Captured)
    );
    assert_eq!(hold.created_at_ms, decision.at_ms);
    let first = decision.outcomes[1].as_ref().unwrap().get();
    let then = first.hold.as_ref().unwrap();
    assert_eq!((then.captured, then.state), (30, HoldState::Open));
    let left = balance(&decision, 1);
    assert_eq!((left.posted, left.hold_debits), (-30, 0));
}

#[test]
fn the_last_capture_lets_go_of_the_rest() {
    let decision = decided(&[
        hold(10, 1, 2, 70),
        capture(11, 10, Some(30), true),
        transfer(12, 1, 2, 70),
    ]);
    decision.outcomes[2].as_ref().unwrap();
    let (hold, _) = &decision.holds[&key(10)];
    assert_eq!(
        (hold.captured, hold.released, hold.state),
        (30, 40, HoldState::Captured)
    );
    assert_eq!(balance(&decision, 2).hold_credits, 0);
}

#[test]
fn a_hold_ends_once() {
    let decision = decided(&[
        hold(10, 1, 2, 70),
        void(11, 10),
        void(12, 10),
        capture(13, 10, None, false),
    ]);
    decision.outcomes[1].as_ref().unwrap();
    let over = Err(Refusal::HoldNotOpen { hold_id: id(10) });
    assert_eq!(decision.outcomes[2..], [over.clone(), over]);
    assert_eq!(balance(&decision, 1).hold_debits, 0);
    let unknown = Refusal::HoldNotFound { hold_id: id(77) };
    assert_eq!(refusal(&[void(11, 77)]), unknown);
}

#[test]
fn a_hold_expires_at_its_time_and_not_before() {
    let expire = |number| command(number, Action::Expire { hold_id: id(10) });
    assert_eq!(
        refusal(&[hold(10, 1, 2, 70), expire(11)]),
        Refusal::HoldNotExpired { hold_id: id(10) }
    );
    let later = Moment {
        now_ms: NOW_MS + 1,
        ..NOW
    };
    let commands = [hold(10, 1, 2, 70), capture(11, 10, None, false), expire(12)];
    let decision = decide(state(), &commands, false, later);
    assert_eq!(
        decision.outcomes[1],
        Err(Refusal::HoldExpired { hold_id: id(10) })
    );
    let settled = decision.outcomes[2].as_ref().unwrap().get();
    assert_eq!(settled.hold.as_ref().unwrap().state, HoldState::Expired);
    assert_eq!(settled.journal.kind, JournalKind::Expiry);
}

#[test]
fn a_transfer_is_reversed_in_parts_and_never_beyond() {
    let decision = decided(&[
        transfer(10, 1, 2, 70),
        reverse(11, 10, Some(30)),
        reverse(12, 10, Some(41)),
        reverse(13, 10, None),
        reverse(14, 10, None),
        reverse(15, 11, None),
        reverse(16, 77, None),
    ]);
    let exceeds = |remaining: &str| Refusal::ReversalExceeds {
        journal_id: id(10),
        remaining: remaining.to_owned(),
    };
    assert_eq!(decision.outcomes[2], Err(exceeds("40")));
    assert_eq!(decision.outcomes[4], Err(exceeds("0")));
    assert_eq!(
        decision.outcomes[5],
        Err(Refusal::NotReversible { journal_id: id(11) })
    );
    assert_eq!(
        decision.outcomes[6],
        Err(Refusal::TransferNotFound { journal_id: id(77) })
    );
    assert_eq!(decision.reversed[&key(10)], (70, true));
    assert_eq!(balance(&decision, 1).posted, -100);
    // Money that is gone cannot be taken back.
    let spent = [
        transfer(10, 1, 2, 70),
        transfer(11, 2, 1, 170),
        reverse(12, 10, None),
    ];
    assert_eq!(refusal(&spent), Refusal::InsufficientFunds { account_id: id(2) });
}

#[test]
fn a_bigger_transaction_is_reversed_whole_and_once() {
    let three = || {
        let postings = vec![
            posting(3, Direction::Debit, 30, "EUR"),
            posting(1, Direction::Credit, 10, "EUR"),
            posting(2, Direction::Credit, 20, "EUR"),
        ];
        transact(10, postings)
    };
    let part = [three(), reverse(11, 10, Some(5))];
    assert_eq!(refusal(&part), Refusal::NotReversible { journal_id: id(10) });
    let decision = decided(&[three(), reverse(11, 10, None), reverse(12, 10, None)]);
    decision.outcomes[1].as_ref().unwrap();
    assert_eq!(
        decision.outcomes[2].as_ref().unwrap_err().code(),
        "reversal_exceeds"
    );
    assert_eq!(decision.reversed[&key(10)], (30, true));
    assert_eq!(balance(&decision, 1).posted, -100);
}

#[test]
fn a_split_account_gets_its_rows_by_their_ids() {
    let mut state = state();
    let split = AccountFacts {
        parts: 4,
        ..free(AccountKind::Income)
    };
    state.accounts.insert(key(8), split);
    let decision = decide(
        state,
        &[
            transfer(14, 3, 8, 5),
            transfer(11, 3, 8, 6),
            transfer(17, 3, 8, 7),
        ],
        false,
        NOW,
    );
    let part = |part| decision.balances[&(tenant(), id(8), part)];
    assert_eq!((part(2).posted, part(2).entries), (-12, 2));
    assert_eq!((part(3).posted, part(3).entries), (-6, 1));
}
