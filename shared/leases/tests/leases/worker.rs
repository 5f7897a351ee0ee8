//! Generators under leases: whatever sleeps, restarts or steps its clock, no id comes twice.

use crate::{NOON, folder, open, telemetry};
use async_trait::async_trait;
use clock::{Clock, ManualClock, SharedClock};
use ids::{Id, IdError};
use leases::{Grant, LeaseError, LeaseSettings, LeaseStore, LeasedIds, SqliteLeaseStore, WorkerLease};
use sql::SqlError;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const SETTINGS: LeaseSettings = LeaseSettings {
    lease_ms: 30_000,
    check_interval_ms: 1,
};
const LEASE: Duration = Duration::from_secs(30);

async fn start(folder: &Path, clock: &Arc<ManualClock>) -> WorkerLease {
    let store: Arc<dyn LeaseStore> = Arc::new(open(folder).await);
    let clock: SharedClock = clock.clone();
    WorkerLease::acquire(store, clock, SETTINGS, "test", &telemetry())
        .await
        .expect("a slot is free")
}

fn issue(ids: &LeasedIds, into: &mut HashSet<Id>, count: usize) {
    for _ in 0..count {
        let id = ids.next().expect("within the lease");
        assert!(into.insert(id), "{id} came twice");
    }
}

#[tokio::test]
async fn ten_restarts_with_the_clock_stepped_back_each_time_repeat_no_id() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let mut seen = HashSet::new();
    for restart in 0..10 {
        let lease = start(folder.path(), &clock).await;
        issue(&lease.ids(), &mut seen, 500);
        clock.advance(Duration::from_millis(3));
        issue(&lease.ids(), &mut seen, 500);
        if restart % 2 == 0 {
            lease.release().await.expect("still held");
        } else {
            drop(lease); // killed
        }
        clock.step_wall(-10_000);
    }
    assert_eq!(seen.len(), 10_000);
}

#[tokio::test]
async fn ten_restarts_within_one_millisecond_repeat_no_id() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let mut seen = HashSet::new();
    for restart in 0..10 {
        let lease = start(folder.path(), &clock).await;
        issue(&lease.ids(), &mut seen, 500);
        if restart % 2 == 0 {
            lease.release().await.expect("still held");
        }
    }
}

#[tokio::test]
async fn a_paused_holder_and_its_successor_share_no_id_whatever_the_holder_believes() {
    let folder = folder();
    let (paused_clock, true_clock) = (ManualClock::at(NOON), ManualClock::at(NOON));
    let mut seen = HashSet::new();
    let paused = start(folder.path(), &paused_clock).await;
    issue(&paused.ids(), &mut seen, 1_000);
    true_clock.advance(LEASE + Duration::from_secs(1));
    let successor = start(folder.path(), &true_clock).await;
    assert_eq!(
        successor.grant().slot,
        paused.grant().slot,
        "the test is about one slot"
    );
    // The holder wakes up on a clock that stood still meanwhile, and goes on to the end of what it believes to have.
    for _ in 0..=LEASE.as_millis() {
        issue(&successor.ids(), &mut seen, 2);
        issue(&paused.ids(), &mut seen, 2);
        true_clock.advance(Duration::from_micros(500));
        paused_clock.advance(Duration::from_millis(1));
    }
    let refused = paused.ids().next();
    assert!(
        matches!(refused, Err(IdError::LeaseExpired { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_holder_that_slept_past_its_lease_is_refused_then_takes_another_slot() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let mut seen = HashSet::new();
    let mut sleeper = start(folder.path(), &clock).await;
    let ids = sleeper.ids();
    issue(&ids, &mut seen, 100);
    clock.advance(LEASE + Duration::from_millis(1));
    assert!(matches!(ids.next(), Err(IdError::LeaseExpired { .. })));
    let successor = start(folder.path(), &clock).await;
    assert_eq!(successor.grant().slot, sleeper.grant().slot);
    sleeper.check().await.expect("another slot is free");
    assert_ne!(successor.grant().slot, sleeper.grant().slot);
    issue(&ids, &mut seen, 100);
    issue(&successor.ids(), &mut seen, 100);
}

#[tokio::test]
async fn a_forward_step_beyond_the_lease_is_mended_by_the_next_look() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let mut lease = start(folder.path(), &clock).await;
    clock.step_wall(3_600_000);
    assert!(matches!(lease.ids().next(), Err(IdError::LeaseExpired { .. })));
    lease.check().await.expect("renewed");
    let id = lease.ids().next().expect("within the renewed lease");
    assert_eq!(id.timestamp_ms(), clock.unix_ms());
}

#[tokio::test]
async fn the_store_has_the_longer_time_before_any_id_carries_it() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let mut lease = start(folder.path(), &clock).await;
    let slot = lease.grant().slot;
    for _ in 0..20 {
        clock.advance(Duration::from_secs(7));
        lease.check().await.expect("the store is there");
        let id = lease.ids().next().expect("renewed in time");
        // A successor that comes right when the recorded time is over starts above every id so far.
        let until = lease.ids().generator().issue_until_ms();
        assert!(id.timestamp_ms() <= until);
    }
    let until = lease.ids().generator().issue_until_ms();
    let store = open(folder.path()).await;
    let other = store
        .acquire("early", until, until + 1)
        .await
        .expect("a slot is free");
    assert_ne!(
        other.slot, slot,
        "the recorded time is at least what the generator goes by"
    );
}

#[tokio::test]
async fn a_healthy_lease_is_left_alone() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let mut lease = start(folder.path(), &clock).await;
    clock.advance(Duration::from_secs(9));
    lease.check().await.expect("nothing to do");
    assert_eq!(lease.ids().generator().issue_until_ms(), NOON + 30_000);
    clock.advance(Duration::from_secs(2));
    lease.check().await.expect("renewed");
    assert_eq!(lease.ids().generator().issue_until_ms(), NOON + 41_000);
}

#[tokio::test]
async fn keep_renews_until_drained_and_then_gives_the_slot_back() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let lease = start(folder.path(), &clock).await;
    let (ids, slot) = (lease.ids(), lease.grant().slot);
    let (drain, drained) = oneshot::channel::<()>();
    let keeper = tokio::spawn(lease.keep(async {
        let _ = drained.await;
    }));
    clock.advance(LEASE);
    let renewed = async {
        while ids.generator().issue_until_ms() <= NOON + 30_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), renewed)
        .await
        .expect("the keeper renews");
    let last = ids.next().expect("within the renewed lease");
    drain.send(()).expect("the keeper listens");
    keeper.await.expect("the keeper ends");
    assert_eq!(ids.next(), Err(IdError::Retired));
    clock.advance(Duration::from_millis(1));
    let successor = start(folder.path(), &clock).await;
    assert_eq!(successor.grant().slot, slot, "a clean end frees the slot at once");
    assert!(successor.ids().next().expect("a fresh lease") > last);
}

/// A store whose renewals are carried out but not heard of.
#[derive(Debug)]
struct Deaf {
    store: SqliteLeaseStore,
    deaf: AtomicBool,
}

#[async_trait]
impl LeaseStore for Deaf {
    async fn acquire(&self, holder: &str, now_ms: u64, issue_until_ms: u64) -> Result<Grant, LeaseError> {
        self.store.acquire(holder, now_ms, issue_until_ms).await
    }

    async fn renew(&self, grant: &Grant, issue_until_ms: u64) -> Result<u64, LeaseError> {
        let recorded = self.store.renew(grant, issue_until_ms).await?;
        if self.deaf.load(Ordering::SeqCst) {
            return Err(SqlError::Unknown("the answer was lost".to_owned()).into());
        }
        Ok(recorded)
    }

    async fn release(&self, grant: &Grant, last_issued_ms: u64) -> Result<(), LeaseError> {
        self.store.release(grant, last_issued_ms).await
    }
}

#[tokio::test]
async fn a_renewal_of_unknown_outcome_lengthens_nothing_until_it_is_settled() {
    let folder = folder();
    let clock = ManualClock::at(NOON);
    let store = Arc::new(Deaf {
        store: open(folder.path()).await,
        deaf: AtomicBool::new(true),
    });
    let (port, shared): (Arc<dyn LeaseStore>, SharedClock) = (store.clone(), clock.clone());
    let mut lease = WorkerLease::acquire(port, shared, SETTINGS, "test", &telemetry())
        .await
        .expect("a slot is free");
    clock.advance(LEASE / 2);
    let unknown = lease.check().await.expect_err("the answer is lost");
    assert!(unknown.retryable());
    assert!(lease.ids().next().is_ok(), "the old time still holds");
    clock.advance(LEASE / 2 + Duration::from_millis(1));
    assert!(
        matches!(lease.ids().next(), Err(IdError::LeaseExpired { .. })),
        "the new one was not confirmed"
    );
    // Meanwhile nobody else gets the slot below the recorded time.
    let other = start(folder.path(), &clock).await;
    assert_ne!(other.grant().slot, lease.grant().slot);
    store.deaf.store(false, Ordering::SeqCst);
    lease.check().await.expect("settled");
    assert!(lease.ids().next().is_ok());
}
