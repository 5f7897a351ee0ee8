//! Any interleaving of what may happen leaves the ledger whole, and answers as a naive model does.

#[path = "properties/model.rs"]
mod model;
#[path = "properties/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use identity::Tenant;
use payment::ledger::{Account, AccountKind, Command, Entry, Limits, NewAccount};
use payment::store::ledger::{AccountChange, Batch, SharedLedger};
use proptest::test_runner::{Config, TestRunner};

use self::model::{Model, ModelAccount};
use self::script::{ACCOUNTS, Group, Teller};
use crate::books::{NOW_MS, id};
use crate::contract::{Engine, OnPostgres, OnSqlite};

/// Scripts: (always, nightly).
const ON_SQLITE: (u32, u32) = (80, 4_000);
const ON_POSTGRES: (u32, u32) = (16, 500);

/// Every case has a tenant, and so a ledger, of its own.
static CASES: AtomicU64 = AtomicU64::new(0);

fn kind(number: u64) -> AccountKind {
    match number {
        1 | 7 | 8 => AccountKind::Asset,
        5 => AccountKind::Income,
        6 => AccountKind::Expense,
        9 => AccountKind::Equity,
        _ => AccountKind::Liability,
    }
}

fn account(tenant: &Tenant, number: u64) -> Account {
    Account {
        tenant: tenant.clone(),
        currency: script::currency(number).parse().unwrap(),
        limits: Limits {
            not_below_zero: matches!(number, 2 | 3 | 7),
            not_above_zero: number == 4,
        },
        parts: if number == 5 { 4 } else { 1 },
        ..crate::books::account(number, kind(number))
    }
}

async fn books(ledger: &SharedLedger, tenant: &Tenant) -> Model {
    let mut model = Model::default();
    for number in 1..=ACCOUNTS {
        let account = account(tenant, number);
        let known = ModelAccount {
            currency: script::currency(number),
            debit_normal: account.kind.is_debit_normal(),
            not_below: account.limits.not_below_zero,
            not_above: account.limits.not_above_zero,
            parts: u64::from(account.parts),
            closed: false,
        };
        model.accounts.insert(number, known);
        let new = NewAccount { account, claim: None };
        ledger.create_account(&new, NOW_MS).await.unwrap().unwrap();
    }
    model
}

/// Plays a script on both, and compares every answer and all that is left.
async fn play(ledger: &SharedLedger, groups: &[Group]) {
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    let tenant = Tenant::parse(&format!("case-{case}")).unwrap();
    let mut model = books(ledger, &tenant).await;
    let mut teller = Teller::new();
    let mut now_ms = NOW_MS;
    for group in groups {
        now_ms += group.later_ms;
        let commands: Vec<Command> = group
            .steps
            .iter()
            .map(|(step, with_key)| {
                let mut command = teller.command(step, *with_key, now_ms);
                command.tenant = tenant.clone();
                if let Some(claim) = &mut command.claim {
                    // Keys are a tenant's own, which the service hashes into them.
                    claim.key[..8].copy_from_slice(&case.to_be_bytes());
                    claim.expires_at_ms = u64::MAX >> 1;
                }
                command
            })
            .collect();
        let expected = model.batch(&commands, group.together, now_ms);
        let batch = Batch {
            commands,
            together: group.together,
            shard: group.shard,
            now_ms,
        };
        let outcomes = ledger.commit(&batch).await.unwrap();
        let answers: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(outcome) => (Ok(outcome.get().journal.id.as_u64()), outcome.is_replay()),
                Err(refusal) => (Err(refusal.first()), false),
            })
            .collect();
        for ((command, expected), answer) in batch.commands.iter().zip(expected).zip(answers) {
            // Whether a refusal was said before is not foretold here.
            assert_eq!(answer.0, expected.0, "{command:?}");
            assert!(answer.0.is_err() || answer.1 == expected.1, "{command:?}");
        }
        if let Some(number) = group.close {
            let change = AccountChange {
                close: true,
                ..AccountChange::default()
            };
            let closed = ledger
                .change_account(&tenant, id(number), &change, now_ms)
                .await
                .unwrap();
            assert_eq!(closed.is_ok(), model.close(number));
        }
    }
    agrees(ledger, &tenant, &model).await;
}

/// What is left: balances, holds and rows as the model has them, and every entry within its account's limits.
async fn agrees(ledger: &SharedLedger, tenant: &Tenant, model: &Model) {
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for (number, facts) in &model.accounts {
        let parts = ledger.balance(tenant, id(*number)).await.unwrap();
        let entries = ledger
            .entries(tenant, id(*number), 0..u64::MAX, None, 10_000)
            .await
            .unwrap();
        for (part, stored) in (0..).zip(&parts) {
            let mine: Vec<&Entry> = entries
                .iter()
                .filter(|entry| u64::from(entry.part) == part)
                .collect();
            let (posted, debits, credits) = model.balance(*number, Some(part));
            let seen = (
                stored.posted.into(),
                stored.hold_debits.into(),
                stored.hold_credits.into(),
            );
            assert_eq!((posted, debits, credits), seen, "account {number} part {part}");
            assert_eq!(replayed(&mine, facts), i128::from(stored.posted));
            assert_eq!(usize::try_from(stored.entries).unwrap(), mine.len());
            *sums.entry(facts.currency).or_default() += posted;
        }
    }
    assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    for line in ledger.trial_balance(tenant, None).await.unwrap() {
        *sums.get_mut(line.currency.code()).unwrap() += line.debits - line.credits;
    }
    assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    for (number, hold) in &model.holds {
        let stored = ledger.hold(tenant, id(*number)).await.unwrap().unwrap();
        let seen = (stored.captured.into(), stored.released.into(), stored.state);
        assert_eq!(seen, (hold.captured, hold.released, hold.state));
    }
    for (number, row) in &model.rows {
        let stored = ledger.journal(tenant, id(*number)).await.unwrap().unwrap();
        assert_eq!(
            (&stored.postings, i128::from(stored.reversed)),
            (&row.lines, row.reversed)
        );
    }
}

/// Adds the entries up: each follows the one before, and none passes a limit.
fn replayed(entries: &[&Entry], facts: &ModelAccount) -> i128 {
    let mut posted = 0;
    for (entry, seq) in entries.iter().zip(1..) {
        posted += i128::from(entry.direction.signed(entry.amount));
        assert_eq!((i128::from(entry.balance_after), entry.seq), (posted, seq));
        let normal = if facts.debit_normal { posted } else { -posted };
        assert!(!facts.not_below || normal >= 0);
        assert!(!facts.not_above || normal <= 0);
    }
    posted
}

/// As many scripts as the engine has time for.
pub(crate) async fn any_script_agrees(engine: &dyn Engine, cases: (u32, u32)) {
    let ledger = engine.open().await;
    let cases = if testkit::skips::nightly() {
        cases.1
    } else {
        cases.0
    };
    let runtime = tokio::runtime::Handle::current();
    let playing = tokio::task::spawn_blocking(move || {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            ..Config::default()
        };
        let run = TestRunner::new(config).run(&script::groups(), |groups| {
            let ledger = ledger.clone();
            // In a task: a panic in it is a failure to be made smaller.
            let played = runtime.block_on(runtime.spawn(async move { play(&ledger, &groups).await }));
            played.map_err(|error| proptest::test_runner::TestCaseError::fail(error.to_string()))
        });
        run.unwrap();
    });
    playing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_interleaving_leaves_the_ledger_whole_on_sqlite() {
    let engine = OnSqlite::new("any_interleaving").unwrap();
    any_script_agrees(&engine, ON_SQLITE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_interleaving_leaves_the_ledger_whole_on_postgresql() {
    let Some(engine) = OnPostgres::new("any_interleaving_leaves_the_ledger_whole_on_postgresql") else {
        return;
    };
    any_script_agrees(&engine, ON_POSTGRES).await;
    engine.remove().await;
}
