//! What becomes of slots between requests, the store and the end of a process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use clock::{ManualClock, SystemClock};

use super::*;
use crate::store::slots::Ledger;

const NOW_MS: u64 = 1_795_305_600_000;

/// One link's ledger, with an engine that may do what it is asked and not answer.
#[derive(Default)]
struct Store {
    ledger: Mutex<Ledger>,
    calls: AtomicU64,
    is_mute: AtomicBool,
    is_stalled: AtomicBool,
}

impl Store {
    async fn step<T>(&self, step: impl FnOnce(&mut Ledger) -> T) -> Result<T, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = step(&mut self.ledger.lock().unwrap());
        if self.is_stalled.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        if self.is_mute.load(Ordering::SeqCst) {
            return Err(StoreError::Unknown("its answer was lost".to_owned()));
        }
        Ok(answer)
    }

    fn taken(&self) -> u64 {
        self.ledger.lock().unwrap().taken()
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SlotStore for Store {
    async fn hold_slots(
        &self,
        link: &CappedLink,
        lease: SlotLease,
        used: u64,
        block_max: u64,
    ) -> Result<HeldSlots, StoreError> {
        self.step(|ledger| ledger.hold(lease, used, link.cap, block_max))
            .await
    }

    async fn end_lease(&self, _: &Tenant, _: Id, lease: SlotLease, used: u64) -> Result<(), StoreError> {
        self.step(|ledger| ledger.end(lease, used)).await
    }

    async fn forget_slots(&self, _: &Tenant, _: Id) -> Result<(), StoreError> {
        self.step(|ledger| *ledger = Ledger::default()).await
    }
}

fn settings() -> SlotSettings {
    SlotSettings {
        block_max: 10,
        wait_ms: 200,
        ..SlotSettings::default()
    }
}

fn process(store: &Arc<Store>) -> Arc<ClickSlots> {
    let store: Arc<dyn SlotStore> = store.clone();
    Arc::new(ClickSlots::new(store, SystemClock::shared(), settings()))
}

async fn take(slots: &ClickSlots, cap: u64) -> Result<bool, LinkError> {
    let tenant = Tenant::parse("acme").unwrap();
    slots.take(&tenant, Id::from_u64(1).unwrap(), cap).await
}

/// Takes until there is none; answers how many there were.
async fn take_all(slots: &ClickSlots, cap: u64) -> u64 {
    let mut taken = 0;
    while take(slots, cap).await.unwrap() {
        taken += 1;
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_two_processes_take_each_slot_once_and_all_of_them() {
    let store = Arc::new(Store::default());
    let processes = [process(&store), process(&store)];
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..64 {
        let slots = Arc::clone(&processes[number % 2]);
        readers.spawn(async move { take_all(&slots, 1_000).await });
    }
    let mut taken: u64 = readers.join_all().await.iter().sum();
    // A reader whose process had none left stopped, though the other may still have held some.
    for slots in &processes {
        slots.give_back(|_| true).await;
    }
    taken += take_all(&processes[0], 1_000).await;
    assert_eq!((taken, store.taken()), (1_000, 1_000));
}

#[tokio::test]
async fn what_nobody_takes_is_given_back_and_what_is_wanted_is_kept() {
    let store = Arc::new(Store::default());
    let (one, other) = (process(&store), process(&store));
    assert!(take(&one, 100).await.unwrap());
    assert_eq!(store.taken(), 10);
    let is_idle = |held: &mut Held| !std::mem::take(&mut held.is_wanted);
    one.give_back(is_idle).await;
    assert_eq!(store.taken(), 10, "it was wanted just now");
    one.give_back(is_idle).await;
    assert_eq!(store.taken(), 1);
    assert_eq!(take_all(&other, 100).await, 99);
    assert!(!take(&one, 100).await.unwrap());
}

#[tokio::test]
async fn at_the_drain_all_is_given_back() {
    let store = Arc::new(Store::default());
    let (slots, stop) = (process(&store), Drain::new());
    for _ in 0..13 {
        assert!(take(&slots, 100).await.unwrap());
    }
    assert_eq!(store.taken(), 20);
    let kept = tokio::spawn(slots.keep(stop.clone()));
    stop.begin();
    kept.await.unwrap();
    assert_eq!(store.taken(), 13);
}

#[tokio::test]
async fn while_none_is_left_the_store_is_asked_once_in_a_while() {
    let (store, clock) = (Arc::new(Store::default()), ManualClock::at(NOW_MS));
    let slots = ClickSlots::new(store.clone(), clock.clone(), settings());
    assert_eq!(take_all(&slots, 3).await, 3);
    let asked = store.calls();
    for _ in 0..1_000 {
        assert!(!take(&slots, 3).await.unwrap());
    }
    assert_eq!(store.calls(), asked);
    clock.advance(Duration::from_millis(settings().none_left_ms));
    assert!(!take(&slots, 3).await.unwrap());
    assert_eq!(store.calls(), asked + 1);
    assert!(
        take(&slots, 4).await.unwrap(),
        "a raised cap is asked for at once"
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_takes_no_slot_and_gives_none_twice() {
    let store = Arc::new(Store::default());
    let (one, other) = (process(&store), process(&store));
    let mut taken = 0;
    for round in 0..40 {
        store.is_mute.store(round % 3 == 0, Ordering::SeqCst);
        for slots in [&one, &other] {
            taken += match take(slots, 100).await {
                Ok(true) => 1,
                Ok(false) => panic!("after {taken}"),
                Err(error) => {
                    assert!(
                        matches!(error, LinkError::Store(StoreError::Unavailable(_))),
                        "{error}"
                    );
                    0
                }
            };
        }
        one.give_back(|_| round % 4 == 0).await;
    }
    store.is_mute.store(false, Ordering::SeqCst);
    taken += take_all(&one, 100).await;
    other.give_back(|_| true).await;
    assert_eq!(take_all(&other, 100).await + taken, 100);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_waited_for_until_the_deadline() {
    let store = Arc::new(Store::default());
    let slots = process(&store);
    store.is_stalled.store(true, Ordering::SeqCst);
    let refused = tokio::join!(take(&slots, 50), take(&slots, 50));
    for refused in [refused.0, refused.1] {
        assert!(matches!(
            refused,
            Err(LinkError::Store(StoreError::Unavailable(_)))
        ));
    }
    store.is_stalled.store(false, Ordering::SeqCst);
    assert_eq!(take_all(&slots, 50).await, 50);
}

#[tokio::test]
async fn a_lowered_cap_leaves_unused_what_was_leased_beyond_it() {
    let store = Arc::new(Store::default());
    let slots = process(&store);
    for _ in 0..4 {
        assert!(take(&slots, 100).await.unwrap());
    }
    assert!(take(&slots, 5).await.unwrap());
    assert!(!take(&slots, 5).await.unwrap());
    assert_eq!(take_all(&slots, 7).await, 2);
}

#[tokio::test]
async fn slots_are_held_of_a_bounded_number_of_links() {
    let store = Arc::new(Store::default());
    let few = SlotSettings {
        links_max: 2,
        ..settings()
    };
    let slots = ClickSlots::new(store, SystemClock::shared(), few);
    let tenant = Tenant::parse("acme").unwrap();
    let take = async |number| slots.take(&tenant, Id::from_u64(number).unwrap(), 100).await;
    assert!(take(1).await.unwrap() && take(2).await.unwrap());
    assert!(matches!(take(3).await, Err(LinkError::Overloaded)));
    slots.give_back(|_| true).await;
    assert!(take(3).await.unwrap());
}
