mod bounds;
mod lanes;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use clock::SystemClock;
use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;
use telemetry::{Telemetry, TelemetrySettings};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::ledger::{
    Account, Action, ChainHead, Claim, Entry, Hold, Journal, JournalKind, Link, LinkRow, NewAccount,
    PartBalance, Settled, TrialBalanceLine,
};
use crate::store::ledger::{AccountChange, AccountFilter, ChangeRefused, EntryCursor, Ledger};

/// A ledger that commits when it is let, and remembers what it was asked for.
#[derive(Debug)]
struct Gated {
    /// A permit lets one commit through.
    gate: Semaphore,
    /// Commits that have begun.
    begun: AtomicUsize,
    batches: Mutex<Vec<Batch>>,
    /// What the next commits fail with, after their work was done.
    failures: Mutex<VecDeque<StoreError>>,
    panics: AtomicUsize,
}

fn settled(command: &Command) -> Settled {
    Settled {
        journal: Journal {
            tenant: command.tenant.clone(),
            id: command.id,
            kind: JournalKind::Void,
            at_ms: 1,
            hold_id: None,
            refers_to: None,
            details: command.details.clone(),
            postings: Vec::new(),
            reversed: 0,
        },
        hold: None,
    }
}

/// More than any condition here needs.
const YIELDS_MAX: u32 = 20_000_000;

type Stored<T> = Result<T, StoreError>;

#[async_trait]
impl Ledger for Gated {
    async fn commit(&self, batch: &Batch) -> Stored<Vec<Answer>> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        let first = {
            let mut batches = self.batches.lock().unwrap();
            let known: HashSet<_> = batches
                .iter()
                .flat_map(|batch| batch.commands.clone())
                .map(key)
                .collect();
            batches.push(batch.clone());
            known
        };
        assert!(self.panics.load(Ordering::SeqCst) == 0, "a defect");
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        let answer = |command: &Command| {
            let settled = settled(command);
            Ok(if first.contains(&key(command.clone())) {
                Outcome::Replayed(settled)
            } else {
                Outcome::Fresh(settled)
            })
        };
        Ok(batch.commands.iter().map(answer).collect())
    }

    async fn create_account(&self, _: &NewAccount, _: u64) -> Stored<Result<Outcome<Account>, Refusal>> {
        unreachable!()
    }
    async fn change_account(
        &self,
        _: &Tenant,
        _: Id,
        _: &AccountChange,
        _: u64,
    ) -> Stored<Result<Account, ChangeRefused>> {
        unreachable!()
    }
    async fn account(&self, _: &Tenant, _: Id) -> Stored<Option<Account>> {
        unreachable!()
    }
    async fn accounts(&self, _: &Tenant, _: &AccountFilter, _: Option<Id>, _: u32) -> Stored<Vec<Account>> {
        unreachable!()
    }
    async fn journal(&self, _: &Tenant, _: Id) -> Stored<Option<Journal>> {
        unreachable!()
    }
    async fn hold(&self, _: &Tenant, _: Id) -> Stored<Option<Hold>> {
        unreachable!()
    }
    async fn holds(&self, _: &Tenant, _: Option<Id>, _: Option<Id>, _: u32) -> Stored<Vec<Hold>> {
        unreachable!()
    }
    async fn latest_holds(&self, _: &Tenant, _: Id, _: Option<Id>, _: u32) -> Stored<Vec<Hold>> {
        unreachable!()
    }
    async fn overdue_holds(&self, _: u64, _: u32) -> Stored<Vec<(Tenant, Id)>> {
        unreachable!()
    }
    async fn balance(&self, _: &Tenant, _: Id) -> Stored<Vec<PartBalance>> {
        unreachable!()
    }
    async fn seal(&self, _: u64) -> Stored<()> {
        unreachable!()
    }
    async fn balance_as_of(&self, _: &Tenant, _: Id, _: u64) -> Stored<Vec<PartBalance>> {
        unreachable!()
    }
    async fn latest_entries(&self, _: &Tenant, _: Id, _: Option<EntryCursor>, _: u32) -> Stored<Vec<Entry>> {
        unreachable!()
    }
    async fn entries(
        &self,
        _: &Tenant,
        _: Id,
        _: std::ops::Range<u64>,
        _: Option<EntryCursor>,
        _: u32,
    ) -> Stored<Vec<Entry>> {
        unreachable!()
    }
    async fn row_summaries(&self, _: &Tenant, _: Id, _: &[Id]) -> Stored<Vec<crate::ledger::RowSummary>> {
        unreachable!()
    }
    async fn trial_balance(&self, _: &Tenant, _: Option<u64>) -> Stored<Vec<TrialBalanceLine>> {
        unreachable!()
    }
    async fn chain_heads(&self) -> Stored<Vec<ChainHead>> {
        unreachable!()
    }
    async fn links(&self, _: i16, _: i64, _: u32) -> Stored<Vec<Link>> {
        unreachable!()
    }
    async fn link_rows(&self, _: i16, _: i64) -> Stored<Vec<LinkRow>> {
        unreachable!()
    }
    async fn forget_claims(&self, _: u64, _: u32) -> Stored<u64> {
        unreachable!()
    }
}

fn key(command: Command) -> [u8; 32] {
    command.claim.unwrap().key
}

struct Bench {
    ledger: Arc<Gated>,
    commits: GroupCommit,
}

impl Bench {
    fn new(permits: usize, change: impl FnOnce(&mut CommitSettings)) -> Self {
        let ledger = Arc::new(Gated {
            gate: Semaphore::new(permits),
            begun: AtomicUsize::new(0),
            batches: Mutex::default(),
            failures: Mutex::default(),
            panics: AtomicUsize::new(0),
        });
        let mut settings = CommitSettings {
            settle_pause_ms: 1,
            ..CommitSettings::default()
        };
        change(&mut settings);
        let clock = SystemClock::shared();
        let telemetry = Telemetry::new(
            "payment",
            "test",
            &TelemetrySettings::default(),
            Arc::clone(&clock),
        )
        .unwrap();
        let metrics = Metrics::register(&telemetry);
        let port: SharedLedger = ledger.clone();
        Self {
            commits: GroupCommit::new(port, clock, settings, 3, metrics),
            ledger,
        }
    }

    fn send(&self, commands: Vec<Command>, together: bool) -> JoinHandle<Result<Vec<Answer>, LedgerError>> {
        let commits = self.commits.clone();
        tokio::spawn(async move { commits.batch(commands, together).await })
    }

    /// Until so many commits have begun and so many commands wait.
    async fn until(&self, begun: usize, waiting: usize) {
        let holds =
            || self.ledger.begun.load(Ordering::SeqCst) == begun && self.commits.0.queue().waiting == waiting;
        let reached = async {
            // Where the clock stands still the deadline never comes.
            for _ in 0..YIELDS_MAX {
                if holds() {
                    return true;
                }
                tokio::task::yield_now().await;
            }
            false
        };
        let within = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(within == Ok(true), "never {begun} commits and {waiting} waiting");
    }

    fn sizes(&self) -> Vec<usize> {
        let batches = self.ledger.batches.lock().unwrap();
        batches.iter().map(|batch| batch.commands.len()).collect()
    }
}

fn command(id: u64) -> Command {
    asking(id, id, "x")
}

/// A command under the key `key`, which asks for `what`.
fn asking(id: u64, key: u64, what: &str) -> Command {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&key.to_be_bytes());
    Command {
        tenant: Tenant::parse("acme").unwrap(),
        id: Id::from_u64(id).unwrap(),
        claim: Some(Claim {
            key: bytes,
            fingerprint: Fingerprint::of("POST", "/", what.as_bytes()),
            expires_at_ms: u64::MAX >> 1,
        }),
        details: "{}".to_owned(),
        action: Action::Void {
            hold_id: Id::from_u64(1).unwrap(),
        },
    }
}

fn ids(answers: &[Answer]) -> Vec<u64> {
    let id = |answer: &Answer| answer.as_ref().unwrap().get().journal.id.as_u64();
    answers.iter().map(id).collect()
}

#[tokio::test]
async fn no_commit_has_more_than_it_may_and_all_or_nothing_goes_alone() {
    let bench = Bench::new(0, |settings| {
        settings.lanes = 1;
        settings.batch_max = 10;
    });
    let mut sent = vec![bench.send(vec![command(1)], false)];
    bench.until(1, 0).await;
    for (first, count, together) in [(100, 6, false), (200, 4, false), (300, 3, true), (400, 25, false)] {
        let commands: Vec<_> = (first..first + count).map(command).collect();
        let waiting = bench.commits.0.queue().waiting;
        sent.push(bench.send(commands, together));
        bench.until(1, waiting + usize::try_from(count).unwrap()).await;
    }
    bench.ledger.gate.add_permits(10);
    for sent in sent {
        sent.await.unwrap().unwrap();
    }
    assert_eq!(bench.sizes(), [1, 10, 3, 25]);
    let batches = bench.ledger.batches.lock().unwrap();
    let together: Vec<bool> = batches.iter().map(|batch| batch.together).collect();
    assert_eq!(together, [false, false, true, false]);
}

#[tokio::test]
async fn racing_copies_stand_in_one_commit_once_and_another_request_under_their_key_comes_after() {
    let bench = Bench::new(0, |settings| settings.lanes = 1);
    let first = bench.send(vec![command(1)], false);
    bench.until(1, 0).await;
    let mut copies = Vec::new();
    for id in 10..74 {
        copies.push(bench.send(vec![asking(id, 7, "a transfer")], false));
        bench.until(1, copies.len()).await;
    }
    let other = bench.send(vec![asking(99, 7, "another")], false);
    bench.until(1, 65).await;
    bench.ledger.gate.add_permits(3);
    first.await.unwrap().unwrap();
    let mut fresh = 0;
    for copy in copies {
        let answers = copy.await.unwrap().unwrap();
        assert_eq!(ids(&answers), [10], "all hear of the same effect");
        fresh += usize::from(!answers[0].as_ref().unwrap().is_replay());
    }
    assert_eq!(fresh, 1);
    other.await.unwrap().unwrap();
    assert_eq!(bench.sizes(), [1, 1, 1]);
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_the_same_commands_before_anything_is_answered() {
    let bench = Bench::new(0, |settings| settings.lanes = 1);
    let unavailable = StoreError::Unavailable {
        code: "sql_unavailable",
        detail: "gone".into(),
        retryable: true,
    };
    *bench.ledger.failures.lock().unwrap() =
        VecDeque::from([StoreError::Unknown("the connection broke".into()), unavailable]);
    let sent = bench.send(vec![command(1), command(2)], true);
    bench.ledger.gate.add_permits(2);
    bench.until(3, 0).await;
    assert!(!sent.is_finished(), "nothing is answered while it is not known");
    bench.ledger.gate.add_permits(1);
    let answers = sent.await.unwrap().unwrap();
    assert_eq!(ids(&answers), [1, 2]);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().is_replay()));
    let batches = bench.ledger.batches.lock().unwrap();
    assert!(
        batches
            .iter()
            .all(|batch| batch.commands == batches[0].commands && batch.together)
    );
}

#[tokio::test]
async fn what_cannot_be_settled_in_time_says_so_and_what_did_nothing_says_that() {
    let bench = Bench::new(usize::MAX >> 4, |settings| {
        settings.lanes = 1;
        settings.deadline_ms = 200;
    });
    let unknown = || StoreError::Unknown("the connection broke".into());
    *bench.ledger.failures.lock().unwrap() = (0..10_000).map(|_| unknown()).collect();
    let error = bench.send(vec![command(1)], false).await.unwrap().unwrap_err();
    assert!(matches!(error, LedgerError::Unsettled(_)), "{error}");
    let away = StoreError::Unavailable {
        code: "sql_unavailable",
        detail: "gone".into(),
        retryable: true,
    };
    *bench.ledger.failures.lock().unwrap() = VecDeque::from([away]);
    let error = bench.send(vec![command(2)], false).await.unwrap().unwrap_err();
    assert!(
        matches!(error, LedgerError::Store(StoreError::Unavailable { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_that_waits_past_its_deadline_is_never_committed_and_one_in_flight_is_unsettled() {
    let bench = Bench::new(0, |settings| {
        settings.lanes = 1;
        settings.deadline_ms = 150;
    });
    let in_flight = bench.send(vec![command(1)], false);
    bench.until(1, 0).await;
    let waiting = bench.send(vec![command(2)], false);
    let error = in_flight.await.unwrap().unwrap_err();
    assert!(matches!(error, LedgerError::Unsettled(_)), "{error}");
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, LedgerError::Late), "{error}");
    bench.ledger.gate.add_permits(10);
    bench.send(vec![command(3)], false).await.unwrap().unwrap();
    let batches = bench.ledger.batches.lock().unwrap();
    let committed: Vec<u64> = batches
        .iter()
        .flat_map(|batch| &batch.commands)
        .map(|c| c.id.as_u64())
        .collect();
    assert_eq!(committed, [1, 3]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_caller_that_goes_away_cancels_nothing() {
    let bench = Bench::new(0, |settings| {
        settings.lanes = 1;
        settings.queue_max = 3;
    });
    let first = bench.send(vec![command(1)], false);
    bench.until(1, 0).await;
    let gone = bench.send(vec![command(2), command(3)], false);
    bench.until(1, 2).await;
    let refused = bench
        .send(vec![command(4), command(5)], false)
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(refused, LedgerError::Busy), "{refused}");
    gone.abort();
    first.abort();
    bench.ledger.gate.add_permits(3);
    bench.send(vec![command(6)], false).await.unwrap().unwrap();
    let batches = bench.ledger.batches.lock().unwrap();
    let mut committed: Vec<u64> = batches
        .iter()
        .flat_map(|batch| &batch.commands)
        .map(|c| c.id.as_u64())
        .collect();
    committed.sort_unstable();
    assert_eq!(committed, [1, 2, 3, 6]);
}

#[tokio::test]
async fn a_lane_whose_commit_panics_goes_on_with_the_next() {
    let bench = Bench::new(1, |settings| settings.lanes = 1);
    bench.ledger.panics.store(1, Ordering::SeqCst);
    let error = bench.send(vec![command(1)], false).await.unwrap().unwrap_err();
    assert!(matches!(error, LedgerError::Unsettled(_)), "{error}");
    bench.ledger.panics.store(0, Ordering::SeqCst);
    bench.ledger.gate.add_permits(1);
    bench.send(vec![command(2)], false).await.unwrap().unwrap();
}

/// What the end of a runtime drops is spawned once more and dropped again: without an end to that the stack is used up.
#[test]
fn a_runtime_that_ends_while_commands_wait_for_a_lane_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let bench = runtime.block_on(async {
        let bench = Bench::new(0, |settings| settings.lanes = 1);
        drop(bench.send(vec![command(1)], false));
        bench.until(1, 0).await;
        drop(bench.send(vec![command(2)], false));
        bench.until(1, 1).await;
        bench
    });
    drop(runtime);
    assert_eq!(bench.ledger.begun.load(Ordering::SeqCst), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn however_jobs_are_folded_each_hears_of_its_own_commands_and_each_key_has_one_effect(
        jobs in proptest::collection::vec((proptest::collection::btree_set(1_u64..12, 1..4), proptest::bool::ANY), 1..24),
        lanes in 1_usize..4,
        batch_max in 1_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(usize::MAX >> 4, |settings| {
                settings.lanes = lanes;
                settings.batch_max = batch_max;
            });
            let sent: Vec<_> = jobs
                .iter()
                .map(|(keys, together)| {
                    // Under one key there is one request, and so one id.
                    let commands = keys.iter().map(|key| command(*key)).collect();
                    (keys, bench.send(commands, *together))
                })
                .collect();
            for (keys, sent) in sent {
                let answers = sent.await.unwrap().unwrap();
                assert_eq!(ids(&answers), keys.iter().copied().collect::<Vec<_>>());
            }
            for batch in bench.ledger.batches.lock().unwrap().iter() {
                let keys: HashSet<_> = batch.commands.iter().cloned().map(key).collect();
                assert_eq!(keys.len(), batch.commands.len(), "a key stands in a commit once");
            }
        });
    }
}
