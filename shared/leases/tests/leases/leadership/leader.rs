//! The loop, with real time and short leases; the engine makes no difference to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use clock::{SharedClock, SystemClock};
use leases::{Duty, DutyFailed, Leader, LeaderSettings, Leadership, LeadershipError, LeadershipStore, Pace};
use sql::SqlError;
use telemetry::Telemetry;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Database;
use crate::telemetry;

const QUICK: LeaderSettings = LeaderSettings {
    ttl_ms: 300,
    retry_ms: 10,
    tick_ms: 5,
    tick_timeout_ms: 2_000,
};

/// Writes a row a step, guarded.
struct Write {
    database: Database,
    clock: SharedClock,
    ticks: Arc<AtomicU64>,
}

#[async_trait]
impl Duty for Write {
    async fn tick(&mut self, leadership: &Leadership) -> Result<Pace, DutyFailed> {
        self.ticks.fetch_add(1, Ordering::SeqCst);
        self.database.write_as(leadership, self.clock.unix_ms()).await?;
        Ok(Pace::Rest)
    }
}

/// One process's candidate.
struct Candidate {
    ticks: Arc<AtomicU64>,
    telemetry: Telemetry,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Candidate {
    fn start(database: &Database, store: Arc<dyn LeadershipStore>) -> Self {
        let (telemetry, clock, ticks) = (telemetry(), SystemClock::shared(), Arc::<AtomicU64>::default());
        let leader = Leader::new(store, Arc::clone(&clock), QUICK, "relay", "test", &telemetry);
        let duty = Write {
            database: database.clone(),
            clock,
            ticks: Arc::clone(&ticks),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(leader.run(duty, async move {
            let _ = stopped.await;
        }));
        Self {
            ticks,
            telemetry,
            stop,
            task,
        }
    }

    fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::SeqCst)
    }

    fn shows(&self, line: &str) -> bool {
        let text =
            String::from_utf8(self.telemetry.encode(None).expect("it is shown").1).expect("it is text");
        text.contains(line)
    }

    async fn drain(self) {
        self.stop.send(()).expect("it runs");
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .expect("it drains")
            .expect("no panic");
    }
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(patience.await.is_ok(), "never came true: {what}");
}

/// A store that can be cut off, as by a network.
#[derive(Debug)]
struct CutOff {
    store: Arc<dyn LeadershipStore>,
    away: AtomicBool,
}

impl CutOff {
    fn check(&self) -> Result<(), LeadershipError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SqlError::Unreachable("cut off".to_owned()).into());
        }
        Ok(())
    }
}

#[async_trait]
impl LeadershipStore for CutOff {
    async fn try_take(
        &self,
        name: &str,
        holder: &str,
        now_ms: u64,
        ttl_ms: u64,
    ) -> Result<Option<Leadership>, LeadershipError> {
        self.check()?;
        self.store.try_take(name, holder, now_ms, ttl_ms).await
    }

    async fn renew(&self, led: &Leadership, now_ms: u64, ttl_ms: u64) -> Result<Leadership, LeadershipError> {
        self.check()?;
        self.store.renew(led, now_ms, ttl_ms).await
    }

    async fn release(&self, led: &Leadership) -> Result<(), LeadershipError> {
        self.check()?;
        self.store.release(led).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_leads_and_the_other_goes_on_when_it_drains() {
    let database = Database::on_sqlite("two leaders")
        .await
        .expect("an embedded engine is always there");
    let first = Candidate::start(&database, database.leaderships());
    eventually("the first leads", || first.ticks() > 0).await;
    let second = Candidate::start(&database, database.leaderships());
    let before = first.ticks();
    // Longer than the lease lasts: it is renewed meanwhile.
    eventually("the first goes on", || first.ticks() > before + 100).await;
    assert_eq!(second.ticks(), 0);
    assert!(first.shows("leader_leads{duty=\"relay\"} 1") && second.shows("leader_leads{duty=\"relay\"} 0"));
    assert!(first.shows("leader_renewals_total{duty=\"relay\",outcome=\"ok\"}"));
    first.drain().await;
    eventually("the second leads", || second.ticks() > 0).await;
    second.drain().await;
    let fences = database.written().await;
    assert_eq!(
        (fences.first(), fences.last()),
        (Some(&1), Some(&3)),
        "released in between"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_from_its_record_stops_by_its_own_clock_and_another_goes_on() {
    let database = Database::on_sqlite("cut off")
        .await
        .expect("an embedded engine is always there");
    let cut_off = Arc::new(CutOff {
        store: database.leaderships(),
        away: AtomicBool::new(false),
    });
    let first = Candidate::start(&database, Arc::clone(&cut_off) as Arc<dyn LeadershipStore>);
    eventually("the first leads", || first.ticks() > 0).await;
    cut_off.away.store(true, Ordering::SeqCst);
    let second = Candidate::start(&database, database.leaderships());
    eventually("the second leads", || second.ticks() > 10).await;
    let ticks = first.ticks();
    let others = second.ticks();
    eventually("the second goes on", || second.ticks() > others + 20).await;
    assert_eq!(first.ticks(), ticks, "it must not begin a step past its lease");
    cut_off.away.store(false, Ordering::SeqCst);
    let lost = "leader_terms_total{duty=\"relay\",end=\"lost\"} 1";
    eventually("it hears that it lost", || first.shows(lost)).await;
    second.drain().await;
    eventually("the first leads again", || first.ticks() > ticks).await;
    first.drain().await;
}

/// A step that never ends by itself.
struct Hang(Arc<AtomicU64>);

#[async_trait]
impl Duty for Hang {
    async fn tick(&mut self, _leadership: &Leadership) -> Result<Pace, DutyFailed> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_hangs_is_given_up_and_tried_again() {
    let database = Database::on_sqlite("hang")
        .await
        .expect("an embedded engine is always there");
    let (telemetry, ticks) = (telemetry(), Arc::<AtomicU64>::default());
    let settings = LeaderSettings {
        tick_timeout_ms: 20,
        ..QUICK
    };
    let leader = Leader::new(
        database.leaderships(),
        SystemClock::shared(),
        settings,
        "relay",
        "test",
        &telemetry,
    );
    let again = Arc::clone(&ticks);
    let stop = async move { eventually("it is tried again", || again.load(Ordering::SeqCst) > 2).await };
    let ended = tokio::time::timeout(Duration::from_secs(20), leader.run(Hang(ticks), stop)).await;
    ended.expect("a hanging step does not keep it from draining");
    let shown = String::from_utf8(telemetry.encode(None).expect("it is shown").1).expect("it is text");
    assert!(
        shown.contains("outcome=\"duty_timeout\"") && shown.contains("leader_leads{duty=\"relay\"} 0"),
        "{shown}"
    );
}
