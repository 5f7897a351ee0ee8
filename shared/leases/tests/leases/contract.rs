//! What every `LeaseStore` must do, written once; one line an engine at the end.

use crate::NOON;
use futures::future::join_all;
use leases::{Grant, LeaseError, LeaseStore, SLOTS};
use std::collections::HashSet;
use std::sync::Arc;

const LEASE: u64 = 30_000;

type Store = Arc<dyn LeaseStore>;

async fn take(store: &Store, now: u64) -> Grant {
    store
        .acquire("somebody", now, now + LEASE)
        .await
        .expect("a slot is free")
}

/// `first` and `second` are two connections to one store, as two processes have them.
async fn racing_holders_never_share_a_slot(first: Store, second: Store) {
    let mut takers = Vec::new();
    for i in 0..32 {
        let store = Arc::clone(if i % 2 == 0 { &first } else { &second });
        takers.push(tokio::spawn(async move { take(&store, NOON).await.slot }));
    }
    let slots: HashSet<u16> = join_all(takers)
        .await
        .into_iter()
        .map(|slot| slot.expect("no panic"))
        .collect();
    assert_eq!(slots.len(), 32);
}

async fn racing_successors_of_one_slot_have_one_winner(first: Store, second: Store) {
    let former = take(&first, NOON).await;
    let later = former.issue_until_ms + 1;
    let (one, two) = tokio::join!(take(&first, later), take(&second, later));
    assert_ne!(one.slot, two.slot);
    let winners = [one, two].into_iter().filter(|grant| grant.slot == former.slot);
    assert_eq!(
        winners.map(|grant| grant.epoch).collect::<Vec<_>>(),
        [former.epoch + 1]
    );
}

async fn a_slot_is_free_only_when_its_time_is_over(store: Store) {
    let held = take(&store, NOON).await;
    assert_eq!(held.issue_until_ms, NOON + LEASE);
    assert_ne!(
        take(&store, held.issue_until_ms).await.slot,
        held.slot,
        "its last millisecond is not over"
    );
    let successor = take(&store, held.issue_until_ms + 1).await;
    assert_eq!(
        (successor.slot, successor.issue_from_ms),
        (held.slot, held.issue_until_ms)
    );
    assert!(successor.epoch > held.epoch);
}

async fn a_renewal_is_recorded_and_never_shrinks(store: Store) {
    let held = take(&store, NOON).await;
    let renewed = store.renew(&held, NOON + 2 * LEASE).await.expect("still held");
    assert_eq!(renewed, NOON + 2 * LEASE);
    // The wall clock stepped back between two renewals.
    assert_eq!(store.renew(&held, NOON).await.expect("still held"), renewed);
    let successor = take(&store, renewed + 1).await;
    assert_eq!((successor.slot, successor.issue_from_ms), (held.slot, renewed));
}

async fn a_lease_that_ran_out_may_be_renewed_while_nobody_took_the_slot(store: Store) {
    let held = take(&store, NOON).await;
    let late = held.issue_until_ms + 1_000;
    assert_eq!(
        store.renew(&held, late + LEASE).await.expect("nobody took it"),
        late + LEASE
    );
}

async fn a_former_holder_can_neither_renew_nor_release(store: Store) {
    let former = take(&store, NOON).await;
    let successor = take(&store, former.issue_until_ms + 1).await;
    assert_eq!(successor.slot, former.slot);
    let renewed = store.renew(&former, NOON + 10 * LEASE).await;
    assert!(
        matches!(renewed, Err(LeaseError::Lost { slot }) if slot == former.slot),
        "{renewed:?}"
    );
    let released = store.release(&former, NOON).await;
    assert!(matches!(released, Err(LeaseError::Lost { .. })), "{released:?}");
    let untouched = store
        .renew(&successor, 0)
        .await
        .expect("the successor is not disturbed");
    assert_eq!(untouched, successor.issue_until_ms);
}

async fn a_released_slot_is_free_above_its_last_id(store: Store) {
    let held = take(&store, NOON).await;
    store.release(&held, NOON + 5).await.expect("still held");
    let again = store.release(&held, NOON + 5).await;
    assert!(
        matches!(again, Err(LeaseError::Lost { .. })),
        "released twice: {again:?}"
    );
    let late = store.renew(&held, NOON + 10 * LEASE).await;
    assert!(
        matches!(late, Err(LeaseError::Lost { .. })),
        "renewed after release: {late:?}"
    );
    assert_ne!(take(&store, NOON + 5).await.slot, held.slot);
    let successor = take(&store, NOON + 6).await;
    assert_eq!((successor.slot, successor.issue_from_ms), (held.slot, NOON + 5));
}

/// Takes the whole store, so it gets one of its own.
async fn when_all_slots_are_taken_the_refusal_says_how_long(store: Store) {
    let first = take(&store, NOON).await;
    let mut taken = HashSet::from([first.slot]);
    for _ in 1..SLOTS {
        taken.insert(take(&store, NOON + 1).await.slot);
    }
    assert_eq!(taken.len(), usize::from(SLOTS));
    let refused = store.acquire("one too many", NOON + 10, NOON + 10 + LEASE).await;
    let Err(LeaseError::NoFreeSlot { wait_ms }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(wait_ms, LEASE - 10 + 1);
    assert_eq!(take(&store, NOON + 10 + wait_ms).await.slot, first.slot);
}

async fn the_largest_times_are_kept(store: Store) {
    let largest = u64::from(u32::MAX) << 16;
    let held = store
        .acquire("somebody", NOON, largest)
        .await
        .expect("a slot is free");
    assert_eq!(held.issue_until_ms, largest);
    assert_eq!(
        store.renew(&held, largest + 1).await.expect("still held"),
        largest + 1
    );
}

/// The suite for one engine: each case gets a store of its own, or two connections to one.
macro_rules! suite {
    ($engine:ident) => {
        mod $engine {
            use crate::engines::$engine as engine;

            suite!(one engine:
                a_slot_is_free_only_when_its_time_is_over,
                a_renewal_is_recorded_and_never_shrinks,
                a_lease_that_ran_out_may_be_renewed_while_nobody_took_the_slot,
                a_former_holder_can_neither_renew_nor_release,
                a_released_slot_is_free_above_its_last_id,
                when_all_slots_are_taken_the_refusal_says_how_long,
                the_largest_times_are_kept,
            );
            suite!(two engine:
                racing_holders_never_share_a_slot,
                racing_successors_of_one_slot_have_one_winner,
            );
        }
    };
    (one $engine:ident: $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let Some(data) = $engine::Data::new(stringify!($case)) else { return };
            super::$case(data.open().await).await;
        }
    )*};
    (two $engine:ident: $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let Some(data) = $engine::Data::new(stringify!($case)) else { return };
            super::$case(data.open().await, data.open().await).await;
        }
    )*};
}

suite!(sqlite);
suite!(nats);
