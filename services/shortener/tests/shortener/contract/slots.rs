//! Slots of links with a cap.

use std::collections::BTreeMap;

use shortener::store::slots::{CappedLink, HeldSlots, SlotLease, SlotStore};

use super::*;

pub(super) fn capped(names: Names, number: u64, cap: u64) -> CappedLink {
    CappedLink {
        tenant: names.tenant("acme"),
        link_id: id(number),
        cap,
    }
}

/// Holds, over whatever makes the store unavailable for a moment.
async fn hold(store: &dyn SlotStore, link: &CappedLink, lease: SlotLease, used: u64) -> HeldSlots {
    settled(|| store.hold_slots(link, lease, used, 10)).await
}

async fn end(store: &dyn SlotStore, link: &CappedLink, lease: SlotLease, used: u64) {
    settled(|| store.end_lease(&link.tenant, link.link_id, lease, used)).await;
}

/// How many slots can still be had one after another.
pub(super) async fn rest(store: &dyn SlotStore, link: &CappedLink) -> u64 {
    let (lease, mut used) = (SlotLease::random(), 0);
    while let HeldSlots::Until(limit) = hold(store, link, lease, used).await {
        assert!(limit > used);
        used = limit;
    }
    used
}

pub(super) async fn racing_leases_use_each_slot_once_and_all_of_them(fixture: Fixture) {
    let link = capped(fixture.names, 1, 150);
    let stores = [fixture.slots().await, fixture.slots().await];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, link) = (Arc::clone(&stores[number % 2]), link.clone());
        tasks.spawn(async move { rest(&*store, &link).await });
    }
    let used: u64 = tasks.join_all().await.iter().sum();
    assert_eq!(used, 150);
    assert_eq!(rest(&*stores[0], &link).await, 0);
}

pub(super) async fn a_repeated_call_is_answered_the_same_and_takes_nothing_more(fixture: Fixture) {
    let link = capped(fixture.names, 1, 100);
    let (store, other) = (fixture.slots().await, fixture.slots().await);
    let lease = SlotLease::random();
    for store in [&store, &other, &store] {
        assert_eq!(hold(&**store, &link, lease, 0).await, HeldSlots::Until(10));
    }
    assert_eq!(hold(&*other, &link, lease, 4).await, HeldSlots::Until(14));
    assert_eq!(rest(&*other, &link).await, 86);
    assert_eq!(hold(&*store, &link, lease, 14).await, HeldSlots::NoneLeft);
    assert_eq!(
        hold(&*store, &link, lease, 14).await,
        HeldSlots::Ended,
        "it ended when none was left"
    );
}

pub(super) async fn what_is_given_back_is_free_once(fixture: Fixture) {
    let link = capped(fixture.names, 1, 100);
    let (store, other) = (fixture.slots().await, fixture.slots().await);
    let (lease, never_begun) = (SlotLease::random(), SlotLease::random());
    hold(&*store, &link, lease, 0).await;
    assert_eq!(rest(&*other, &link).await, 90);
    for _ in 0..2 {
        end(&*store, &link, never_begun, 0).await;
        end(&*store, &link, lease, 3).await;
        end(&*other, &link, lease, 3).await;
    }
    assert_eq!(hold(&*store, &link, lease, 3).await, HeldSlots::Ended);
    assert_eq!(rest(&*other, &link).await, 7);
}

pub(super) async fn a_cap_that_is_raised_or_lowered_holds_from_the_next_call_on(fixture: Fixture) {
    let store = fixture.slots().await;
    let at = |cap| capped(fixture.names, 1, cap);
    let (one, two) = (SlotLease::random(), SlotLease::random());
    assert_eq!(hold(&*store, &at(100), one, 0).await, HeldSlots::Until(10));
    assert_eq!(hold(&*store, &at(100), two, 0).await, HeldSlots::Until(10));
    // Lowered below what is leased: each is cut to what it used when it asks.
    assert_eq!(hold(&*store, &at(12), one, 8).await, HeldSlots::NoneLeft);
    assert_eq!(hold(&*store, &at(12), two, 2).await, HeldSlots::Until(3));
    assert_eq!(rest(&*store, &at(12)).await, 1);
    assert_eq!(rest(&*store, &at(12)).await, 0);
    assert_eq!(rest(&*store, &at(30)).await, 18);
    assert_eq!(rest(&*store, &at(0)).await, 0);
}

pub(super) async fn links_and_tenants_share_no_slots_and_a_deleted_link_has_none(fixture: Fixture) {
    let store = fixture.slots().await;
    let links = [
        capped(fixture.names, 1, 5),
        capped(fixture.names, 2, 6),
        CappedLink {
            tenant: fixture.names.tenant("other"),
            ..capped(fixture.names, 1, 7)
        },
    ];
    for link in &links {
        assert_eq!(rest(&*store, link).await, link.cap);
    }
    for _ in 0..2 {
        settled(|| store.forget_slots(&links[0].tenant, links[0].link_id)).await;
    }
    let mut left = BTreeMap::new();
    for link in &links {
        left.insert(link.cap, rest(&*store, link).await);
    }
    assert_eq!(left, BTreeMap::from([(5, 5), (6, 0), (7, 0)]));
}

pub(super) async fn the_largest_cap_fits(fixture: Fixture) {
    let store = fixture.slots().await;
    let link = capped(fixture.names, (1 << 63) - 1, u64::MAX);
    let lease = SlotLease(u64::MAX);
    for used in [0, 100_000] {
        let held = store.hold_slots(&link, lease, used, 100_000).await.unwrap();
        assert_eq!(held, HeldSlots::Until(used + 100_000));
    }
    let all = store.hold_slots(&link, SlotLease(0), 0, u64::MAX).await.unwrap();
    assert!(
        matches!(all, HeldSlots::Until(most) if most > u64::MAX / 9),
        "{all:?}"
    );
}

pub(super) async fn without_its_engine_no_slot_is_granted_and_then_as_before(fixture: Fixture) {
    let link = capped(fixture.names, 1, 100);
    let store = fixture.slots().await;
    let lease = SlotLease::random();
    assert_eq!(hold(&*store, &link, lease, 0).await, HeldSlots::Until(10));
    let cut = fixture.lost().await;
    let error = store.hold_slots(&link, lease, 10, 10).await.unwrap_err();
    assert!(
        error.retryable() || matches!(error, StoreError::Unknown(_)),
        "{error}"
    );
    store
        .end_lease(&link.tenant, link.link_id, lease, 10)
        .await
        .unwrap_err();
    cut.release().await;
    assert_eq!(hold(&*store, &link, lease, 10).await, HeldSlots::Until(20));
    assert_eq!(rest(&*store, &link).await, 80);
}

pub(super) async fn calls_that_are_dropped_cost_at_most_what_they_asked_for(fixture: Fixture) {
    let link = capped(fixture.names, 1, 1_000);
    let store = fixture.slots().await;
    let (mut lease, mut used) = (SlotLease::random(), 0);
    for round in 1..=40 {
        let patience = Duration::from_micros(round * 60);
        let asked = store.hold_slots(&link, lease, used, 5);
        if round % 4 == 0 {
            // Of a lease that was left alone nothing comes back.
            let _ = tokio::time::timeout(patience, asked).await;
            (lease, used) = (SlotLease::random(), 0);
        } else if let Ok(Ok(HeldSlots::Until(limit))) = tokio::time::timeout(patience, asked).await {
            used = limit;
        }
    }
    let left = rest(&*store, &link).await;
    assert!((1_000 - 40 * 5..=1_000).contains(&left), "{left}");
    assert_eq!(rest(&*store, &link).await, 0);
}

/// Sends each statement once.
pub(super) async fn take_some_and_forget(store: &dyn SlotStore, names: Names) {
    let link = capped(names, 1, 10);
    assert_eq!(rest(store, &link).await, 10);
    settled(|| store.forget_slots(&link.tenant, link.link_id)).await;
}
