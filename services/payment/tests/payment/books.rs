//! Commands, accounts and batches as tests write them.

use std::sync::Arc;

use clock::ManualClock;
use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use payment::ledger::{
    Account, AccountKind, Action, Amount, Balance, Claim, Command, CommandOutcome, Direction, Id,
    JournalKind, Limits, NewAccount, NewHold, NewTransaction, Posting, Refusal, Settled,
};
use payment::store::ledger::{Batch, Ledger, SharedLedger};
use sha2::{Digest as _, Sha256};
use telemetry::{Telemetry, TelemetrySettings};

/// 2026-11-22T00:00:00Z
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;
/// Where money comes from in tests: an asset without limits.
pub(crate) const CASH: u64 = 1;

pub(crate) fn telemetry(clock: &Arc<ManualClock>) -> Telemetry {
    Telemetry::new("payment", "test", &TelemetrySettings::default(), clock.clone()).unwrap()
}

pub(crate) fn tenant() -> Tenant {
    Tenant::parse("acme").unwrap()
}

pub(crate) fn id(number: u64) -> Id {
    Id::from_u64(number).unwrap()
}

pub(crate) fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

pub(crate) fn account(number: u64, kind: AccountKind) -> Account {
    Account {
        tenant: tenant(),
        id: id(number),
        currency: "EUR".parse().unwrap(),
        kind,
        limits: Limits::default(),
        parts: 1,
        name: None,
        metadata: "{}".to_owned(),
        created_at_ms: NOW_MS,
        closed_at_ms: None,
    }
}

/// A customer's wallet: never below zero.
pub(crate) fn wallet(number: u64) -> Account {
    Account {
        limits: Limits {
            not_below_zero: true,
            not_above_zero: false,
        },
        ..account(number, AccountKind::Liability)
    }
}

pub(crate) async fn create(ledger: &dyn Ledger, account: Account) {
    let new = NewAccount { account, claim: None };
    ledger.create_account(&new, NOW_MS).await.unwrap().unwrap();
}

/// Cash without limits, and wallets with so much in each.
pub(crate) async fn open_books(ledger: &dyn Ledger, wallets: &[(u64, i64)]) {
    create(ledger, account(CASH, AccountKind::Asset)).await;
    for (number, minor) in wallets {
        create(ledger, wallet(*number)).await;
        if *minor > 0 {
            let fund = transfer(1_000_000 + *number, CASH, *number, *minor);
            commit(ledger, fund).await.unwrap();
        }
    }
}

pub(crate) fn command(number: u64, action: Action) -> Command {
    Command {
        tenant: tenant(),
        id: id(number),
        claim: None,
        details: "{}".to_owned(),
        action,
    }
}

pub(crate) fn posting(account: u64, direction: Direction, minor: i64, currency: &str) -> Posting {
    Posting {
        account_id: id(account),
        direction,
        amount: amount(minor),
        currency: currency.parse().unwrap(),
    }
}

pub(crate) fn transact(number: u64, kind: JournalKind, postings: Vec<Posting>) -> Command {
    command(number, Action::Transact(NewTransaction { kind, postings }))
}

pub(crate) fn transfer(number: u64, debit: u64, credit: u64, minor: i64) -> Command {
    let postings = vec![
        posting(debit, Direction::Debit, minor, "EUR"),
        posting(credit, Direction::Credit, minor, "EUR"),
    ];
    transact(number, JournalKind::Transfer, postings)
}

pub(crate) fn hold(number: u64, debit: u64, credit: u64, minor: i64) -> Command {
    let new = NewHold {
        debit_account_id: id(debit),
        credit_account_id: id(credit),
        amount: amount(minor),
        currency: "EUR".parse().unwrap(),
        expires_at_ms: NOW_MS + 1_000,
    };
    command(number, Action::Hold(new))
}

pub(crate) fn capture(number: u64, hold: u64, minor: Option<i64>, last: bool) -> Command {
    let action = Action::Capture {
        hold_id: id(hold),
        amount: minor.map(amount),
        last,
    };
    command(number, action)
}

pub(crate) fn void(number: u64, hold: u64) -> Command {
    command(number, Action::Void { hold_id: id(hold) })
}

pub(crate) fn expire(number: u64, hold: u64) -> Command {
    command(number, Action::Expire { hold_id: id(hold) })
}

pub(crate) fn reverse(number: u64, journal: u64, minor: Option<i64>) -> Command {
    let action = Action::Reverse {
        journal_id: id(journal),
        amount: minor.map(amount),
    };
    command(number, action)
}

pub(crate) fn claim(key: &str, asked: &str) -> Claim {
    Claim {
        key: Sha256::digest(key.as_bytes()).into(),
        fingerprint: Fingerprint::of("POST", "/v1/transfers", asked.as_bytes()),
        expires_at_ms: NOW_MS + 1_000,
    }
}

pub(crate) fn keyed(command: Command, key: &str, asked: &str) -> Command {
    Command {
        claim: Some(claim(key, asked)),
        ..command
    }
}

/// Under a key that is on record for years by any clock, under `key`.
pub(crate) fn kept_as(command: Command, key: &str) -> Command {
    Command {
        claim: Some(Claim {
            expires_at_ms: 2 * NOW_MS,
            ..claim(key, "")
        }),
        ..command
    }
}

/// The same, always under the same key.
pub(crate) fn kept(command: Command) -> Command {
    kept_as(command, "kept")
}

pub(crate) fn batch(commands: Vec<Command>) -> Batch {
    // Spread like the service does: by something that differs.
    let shard = commands.first().map_or(0, |first| first.id.as_u64() % 8);
    Batch {
        commands,
        together: false,
        shard: i16::try_from(shard).unwrap(),
        now_ms: NOW_MS,
    }
}

/// One command alone.
pub(crate) async fn commit(ledger: &dyn Ledger, command: Command) -> Result<CommandOutcome, Refusal> {
    commit_at(ledger, command, NOW_MS).await
}

pub(crate) async fn commit_at(
    ledger: &dyn Ledger,
    command: Command,
    now_ms: u64,
) -> Result<CommandOutcome, Refusal> {
    let batch = Batch {
        now_ms,
        ..batch(vec![command])
    };
    let mut outcomes = ledger.commit(&batch).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

pub(crate) fn fresh(outcome: Result<CommandOutcome, Refusal>) -> Settled {
    match outcome {
        Ok(Outcome::Fresh(settled)) => settled,
        other => panic!("not fresh: {other:?}"),
    }
}

/// Posted, held to leave, held to come: on the account's own side.
pub(crate) async fn balance(ledger: &SharedLedger, number: u64) -> (i128, i128, i128) {
    let account = ledger.account(&tenant(), id(number)).await.unwrap().unwrap();
    let parts = ledger.balance(&tenant(), id(number)).await.unwrap();
    let balance = Balance::of(account.kind, &parts, NOW_MS);
    (balance.posted, balance.pending_out, balance.pending_in)
}

/// Whether all accounts of the tenant sum to zero in every currency.
pub(crate) async fn sums_to_zero(ledger: &SharedLedger, as_of_ms: Option<u64>) -> bool {
    let lines = ledger.trial_balance(&tenant(), as_of_ms).await.unwrap();
    let mut sums = std::collections::BTreeMap::new();
    for line in lines {
        *sums.entry(line.currency).or_insert(0) += line.debits - line.credits;
    }
    sums.values().all(|sum| *sum == 0)
}
