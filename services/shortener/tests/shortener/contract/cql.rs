//! What the wide-column engine alone can do to a write: its answer is lost, or it arrives late.

use std::sync::Arc;

use shortener::store::cql::{CONTRACT, CqlLinkStore, CqlSlots, STATEMENTS};
use shortener::store::slots::{HeldSlots, SlotLease, SlotStore as _};
use wide::{Level, Serial, Statement};

use super::engines::Keyspace;
use super::slots::{capped, rest};
use super::*;

/// Two processes on the same data, each behind a proxy of its own.
struct Pair {
    names: Names,
    one: Arc<CqlLinkStore>,
    /// Before `one`.
    cut: Keyspace,
    other: CqlLinkStore,
    /// Before `other`, and never broken.
    _through: Keyspace,
}

impl Pair {
    async fn of(test: &str) -> Option<Self> {
        let cut = Keyspace::of(test).await?;
        let names = cut.names;
        let through = Keyspace::of(test).await?;
        Some(Self {
            names,
            one: Arc::new(opened(&cut, names).await),
            other: opened(&through, names).await,
            cut,
            _through: through,
        })
    }

    /// Runs a call of the first process. Once the engine has done a request that contains `bytes`, its answer is lost; the
    /// connection comes back at once.
    async fn answer_lost<T, F>(&self, bytes: &[u8], call: F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.cut.proxy.cut_after(bytes);
        let call = tokio::spawn(call);
        eventually("the answer is lost", async || self.cut.proxy.is_cut()).await;
        self.cut.proxy.heal();
        call.await.unwrap()
    }
}

async fn opened(keyspace: &Keyspace, names: Names) -> CqlLinkStore {
    let store = CqlLinkStore::open(keyspace.connect().await).await.unwrap();
    store.in_code_space(&names.space())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_is_lost_is_settled_by_the_call_itself() {
    let Some(pair) = Pair::of("a_claim_whose_answer_is_lost").await else {
        return;
    };
    let made = marked(pair.names, 1, "claimed");
    let (store, link) = (Arc::clone(&pair.one), made.clone());
    let bytes = made.target.as_str().as_bytes();
    let created = pair
        .answer_lost(bytes, async move { store.create(&link, None).await })
        .await;
    assert_eq!(created.unwrap(), Created::Now);
    assert_eq!(pair.other.resolve(&made.code).await.unwrap(), Some(made));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_answer_is_lost_is_settled_by_the_call_itself() {
    let Some(pair) = Pair::of("a_plan_whose_answer_is_lost").await else {
        return;
    };
    let (made, record) = (marked(pair.names, 1, "planned"), pair.names.record("k", "body"));
    let (store, link, new) = (Arc::clone(&pair.one), made.clone(), record.clone());
    let bytes = made.target.as_str().as_bytes();
    let created = pair
        .answer_lost(bytes, async move { store.create(&link, Some(&new)).await })
        .await;
    assert_eq!(created.unwrap(), Created::Now);
    let recalled = pair.other.recall(&record.scope, NOW_MS).await.unwrap().unwrap();
    assert_eq!(recalled.link, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_process_that_is_gone_is_carried_out_by_another() {
    let Some(pair) = Pair::of("a_plan_of_a_process_that_is_gone").await else {
        return;
    };
    let (names, record) = (pair.names, pair.names.record("k", "body"));
    let made = marked(names, 1, "first");
    pair.cut.proxy.cut_after(made.target.as_str().as_bytes());
    let unknown = pair.one.create(&made, Some(&record)).await.unwrap_err();
    assert!(matches!(unknown, StoreError::Unknown(_)), "{unknown}");
    assert_eq!(
        pair.other.resolve(&made.code).await.unwrap(),
        None,
        "only planned"
    );
    assert_eq!(pair.other.recall(&record.scope, NOW_MS).await.unwrap(), None);

    let repeated = pair.other.create(&names.link(2, "second"), Some(&record)).await;
    let Created::Before(before) = repeated.unwrap() else {
        panic!("the key was used before");
    };
    assert_eq!(before.link, made);
    assert_eq!(pair.other.resolve(&made.code).await.unwrap(), Some(made.clone()));
    assert_eq!(pair.other.resolve(&names.code("second")).await.unwrap(), None);

    pair.cut.proxy.heal();
    let back = settled(|| pair.one.create(&made, Some(&record))).await;
    assert!(matches!(back, Created::Before(_)), "{back:?}");
    let listed = pair.one.list(&names.tenant("acme"), None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_arrives_late_finds_another_state_than_it_asks_for() {
    let Some(pair) = Pair::of("a_claim_that_arrives_late").await else {
        return;
    };
    let (names, store) = (pair.names, &pair.other);
    let code = names.code("late");
    let mut late = Vec::new();
    for number in 1..=3_u64 {
        let made = names.link(number, "late");
        assert_eq!(store.create(&made, None).await.unwrap(), Created::Now);
        late.push(made.clone());
        assert!(store.delete(&made.tenant, &code).await.unwrap());
    }
    let wide = pair.cut.connect().await;
    let number = |number: u64| i64::try_from(number).unwrap();
    for made in &late {
        let (id, tenant, url) = (
            number(made.id.as_u64()),
            made.tenant.as_str(),
            made.target.as_str(),
        );
        let (at, never) = (number(NOW_MS), None::<i64>);
        let first = (
            code.as_str(),
            id,
            tenant,
            url,
            302_i32,
            never,
            "[]",
            at,
            at,
            1_i64,
            None::<&str>,
        );
        let answer = wide.conditional(statement("claim_code"), first).await.unwrap();
        assert!(!answer.applied, "over no row");
        // Each claim but the first asked for what the link before it had left.
        let again = (
            id,
            tenant,
            url,
            302_i32,
            never,
            "[]",
            at,
            at,
            1_i64,
            None::<&str>,
            code.as_str(),
            id - 1,
        );
        let answer = wide
            .conditional(statement("claim_code_again"), again)
            .await
            .unwrap();
        assert!(!answer.applied, "over an earlier life");
        assert_eq!(store.resolve(&code).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_is_made_once() {
    let Some(pair) = Pair::of("a_change_whose_answer_is_lost").await else {
        return;
    };
    let made = pair.names.link(1, "changes");
    pair.other.create(&made, None).await.unwrap();
    let changed = Link {
        target: marked(pair.names, 7, "unused").target,
        revision: 2,
        ..made.clone()
    };
    let (store, link) = (Arc::clone(&pair.one), changed.clone());
    let bytes = changed.target.as_str().as_bytes();
    let replaced = pair
        .answer_lost(bytes, async move { store.replace(&link).await })
        .await;
    assert!(replaced.unwrap());
    assert_eq!(pair.other.resolve(&made.code).await.unwrap(), Some(changed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_answer_is_lost_is_answered() {
    let Some(pair) = Pair::of("a_deletion_whose_answer_is_lost").await else {
        return;
    };
    // The id stands in the deletion and not in the read before it.
    let number = 0x7fed_cba9_8765_4321_u64;
    let made = pair.names.link(number, "deleted");
    pair.other.create(&made, None).await.unwrap();
    let (store, link) = (Arc::clone(&pair.one), made.clone());
    let deleted = pair
        .answer_lost(&number.to_be_bytes(), async move {
            store.delete(&link.tenant, &link.code).await
        })
        .await;
    assert!(deleted.unwrap());
    assert_eq!(pair.other.resolve(&made.code).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_whose_answer_is_lost_count_once() {
    let Some(pair) = Pair::of("clicks_whose_answer_is_lost").await else {
        return;
    };
    let names = pair.names;
    let made = names.link(1, "clicked");
    pair.other.create(&made, None).await.unwrap();
    for (round, count) in [(1, 0x0102_0304_0506_u64), (2, 0x0605_0403_0201)] {
        let batch = names.clicks(&format!("e-{round}"), &[("acme", 1, count, NOW_MS)]);
        let before = pair.other.find(&made.tenant, &made.code).await.unwrap().unwrap();
        let sum = before.clicks.count + count;
        let (store, lost) = (Arc::clone(&pair.one), batch.clone());
        let added = pair
            .answer_lost(&sum.to_be_bytes(), async move { store.add_clicks(&lost).await })
            .await;
        assert!(added.unwrap());
        assert!(!pair.other.add_clicks(&batch).await.unwrap());
        let after = pair.other.find(&made.tenant, &made.code).await.unwrap().unwrap();
        assert_eq!(after.clicks.count, sum);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_cut_short_is_finished_and_each_link_counts_once() {
    let Some(pair) = Pair::of("an_event_that_was_cut_short").await else {
        return;
    };
    let names = pair.names;
    let sums: Vec<_> = (1..=20)
        .map(|number| ("acme", number, number << 33, NOW_MS))
        .collect();
    for number in 1..=20 {
        let made = names.link(number, &format!("many-{number}"));
        pair.other.create(&made, None).await.unwrap();
    }
    let batch = names.clicks("e", &sums);
    pair.cut.proxy.cut_before(&(11_u64 << 33).to_be_bytes());
    let unknown = pair.one.add_clicks(&batch).await.unwrap_err();
    assert!(matches!(unknown, StoreError::Unknown(_)), "{unknown}");
    assert!(pair.other.add_clicks(&batch).await.unwrap());
    pair.cut.proxy.heal();
    assert!(!settled(|| pair.one.add_clicks(&batch)).await);
    let listed = pair.other.list(&names.tenant("acme"), None, 20).await.unwrap();
    let counts: Vec<_> = listed.iter().map(|link| link.clicks.count).collect();
    assert_eq!(
        counts,
        (1..=20_u64).rev().map(|number| number << 33).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_answer_is_lost_is_skipped() {
    let Some(pair) = Pair::of("a_lease_whose_answer_is_lost").await else {
        return;
    };
    let (count, ceiling) = (0x0123_4567_89ab_u64, u64::MAX >> 1);
    let store = Arc::clone(&pair.one);
    let leased = pair
        .answer_lost(&count.to_be_bytes(), async move {
            store.lease_counters(count, ceiling).await
        })
        .await;
    assert_eq!(leased.unwrap(), count..2 * count);
    let next = pair.other.lease_counters(1, ceiling).await;
    assert_eq!(next.unwrap(), 2 * count..2 * count + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_whose_answer_is_lost_are_held_once() {
    let Some(pair) = Pair::of("slots_whose_answer_is_lost").await else {
        return;
    };
    let (link, lease) = (capped(pair.names, 1, 100), SlotLease(0x7123_4567_89ab_cdef));
    let (slots, asked) = (CqlSlots::new(pair.cut.connect().await), link.clone());
    // The lease's name stands in the write and not in the read before it.
    let held = pair
        .answer_lost(lease.0.to_string().as_bytes(), async move {
            slots.hold_slots(&asked, lease, 0, 10).await
        })
        .await;
    assert_eq!(held.unwrap(), HeldSlots::Until(10));
    let other = CqlSlots::new(pair.cut.connect().await);
    assert_eq!(rest(&other, &link).await, 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_a_lease_that_arrives_late_finds_another_version_than_it_asks_for() {
    let Some(keyspace) = Keyspace::of("an_end_of_a_lease_that_arrives_late").await else {
        return;
    };
    let wide = keyspace.connect().await;
    // As a store does that is open.
    drop(opened(&keyspace, keyspace.names).await);
    let slots = CqlSlots::new(wide.clone());
    let (link, lease) = (capped(keyspace.names, 1, 100), SlotLease::random());
    assert_eq!(
        slots.hold_slots(&link, lease, 0, 10).await.unwrap(),
        HeldSlots::Until(10)
    );
    // The same slots are granted again, so nothing but the version tells of it.
    assert_eq!(
        slots.hold_slots(&link, lease, 0, 10).await.unwrap(),
        HeldSlots::Until(10)
    );
    let number = i64::try_from(link.link_id.as_u64()).unwrap();
    let ended = (
        r#"{"past":0,"leases":[]}"#,
        2_i64,
        link.tenant.as_str(),
        number,
        1_i64,
    );
    let late = wide
        .conditional(statement("lease_click_slots"), ended)
        .await
        .unwrap();
    assert!(!late.applied);
    assert_eq!(rest(&slots, &link).await, 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stalls_is_answered_for_and_works_when_it_is_back() {
    let Some(keyspace) = Keyspace::of("an_engine_that_stalls").await else {
        return;
    };
    let names = keyspace.names;
    let store = CqlLinkStore::open(keyspace.connect_within(1_000).await)
        .await
        .unwrap();
    let made = names.link(1, "kept");
    store.create(&made, None).await.unwrap();
    store.probe().await.unwrap();
    keyspace.proxy.stall();
    let refused = store.create(&names.link(2, "stalled"), None).await.unwrap_err();
    assert!(refused.retryable(), "nothing was sent but a read: {refused}");
    let unread = store.resolve(&made.code).await.unwrap_err();
    assert!(unread.retryable(), "{unread}");
    let batch = names.clicks("e", &[("acme", 1, 1, NOW_MS)]);
    store.add_clicks(&batch).await.unwrap_err();
    store.probe().await.unwrap_err();
    keyspace.proxy.heal();
    assert!(settled(|| store.add_clicks(&batch)).await);
    eventually("it is healthy", async || store.probe().await.is_ok()).await;
    assert_eq!(store.resolve(&made.code).await.unwrap(), Some(made));
    assert_eq!(store.resolve(&names.code("stalled")).await.unwrap(), None);
}

#[test]
fn what_is_written_under_a_condition_is_never_written_without_one() {
    for statement in STATEMENTS.iter().chain(CONTRACT) {
        let read = statement.cql.starts_with("SELECT");
        // Lists have nothing to decide, and of two versions of a page or head the later position wins.
        let free = ["links_by_tenant", "statistics_pages", "statistics_heads"];
        let free = free.iter().any(|table| statement.cql.contains(table));
        let conditional = statement.cql.contains(" IF ");
        assert_eq!(conditional, !read && !free, "{}", statement.name);
        let levels = (statement.consistency, statement.serial);
        if conditional {
            assert_eq!(levels, (Level::Quorum, Serial::Global), "{}", statement.name);
        } else if read {
            assert!(matches!(statement.consistency, Level::Quorum | Level::Serial));
        } else {
            assert_eq!(levels, (Level::Quorum, Serial::None), "{}", statement.name);
            assert!(statement.idempotent, "{}", statement.name);
        }
    }
}

fn statement(name: &str) -> &'static Statement {
    let found = STATEMENTS.iter().find(|statement| statement.name == name);
    found.expect("a statement of this name")
}

/// A link whose URL stands nowhere else.
fn marked(names: Names, number: u64, text: &str) -> Link {
    Link {
        target: TargetUrl::from_store(format!("https://example.com/{}/{number}", names.space())),
        ..names.link(number, text)
    }
}
