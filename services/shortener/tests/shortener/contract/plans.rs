//! Several processes carry out the plan of one idempotency key, each held where it hurts most.

use shortener::link::Code;
use shortener::store::cql::{CqlLinkStore, STATEMENTS};
use tokio::task::JoinHandle;

use super::engines::Keyspace;
use super::*;

/// Longer than any case holds a call.
const DEADLINE_MS: u64 = 60_000;

/// One create, in a process of its own, that goes on only as far as it is let.
struct Held {
    before: Keyspace,
    created: JoinHandle<Result<Created, StoreError>>,
}

impl Held {
    /// Runs a create until it is about to send `bytes`.
    async fn until(test: &str, bytes: &[u8], link: &Link, record: &NewRecord) -> Option<Self> {
        let before = Keyspace::of(test).await?;
        let store = CqlLinkStore::open(before.connect_within(DEADLINE_MS).await)
            .await
            .unwrap();
        before.proxy.cut_before(bytes);
        let (link, record) = (link.clone(), record.clone());
        let held = Self {
            created: tokio::spawn(async move { store.create(&link, Some(&record)).await }),
            before,
        };
        held.is_held().await;
        Some(held)
    }

    /// Lets it go on until it is about to send `bytes`.
    async fn on_until(&self, bytes: &[u8]) {
        self.before.proxy.cut_before(bytes);
        self.is_held().await;
    }

    async fn is_held(&self) {
        eventually("the create is held", async || self.before.proxy.is_cut()).await;
    }

    async fn let_go(self) -> Result<Created, StoreError> {
        self.before.proxy.heal();
        self.created.await.unwrap()
    }
}

/// What only the claim of a code without a row has: the code before the link's own id.
fn first_claim(link: &Link) -> Vec<u8> {
    two_values(link.code.as_str(), link.id.as_u64())
}

/// What only the claim over a deleted link has: the code before that one's id.
fn claim_over(code: &Code, left: u64) -> Vec<u8> {
    two_values(code.as_str(), left)
}

/// What only the word about a plan of `link` has: the key before the id.
fn word(record: &NewRecord, link: &Link) -> Vec<u8> {
    two_values(record.scope.key.as_str(), link.id.as_u64())
}

/// A text and a number as they follow each other in a request.
fn two_values(text: &str, number: u64) -> Vec<u8> {
    [text.as_bytes(), &8_u32.to_be_bytes(), &number.to_be_bytes()].concat()
}

async fn comes_and_goes(store: &dyn LinkStore, link: &Link) {
    assert_eq!(store.create(link, None).await.unwrap(), Created::Now);
    assert!(store.delete(&link.tenant, &link.code).await.unwrap());
}

fn is_before(answer: Result<Created, StoreError>, link: &Link) {
    match answer.unwrap() {
        Created::Before(record) => assert_eq!(record.link, *link),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_comes_late_does_not_refuse_the_next_plan_of_the_same_link() {
    let case = "a_refusal_that_comes_late";
    let Some(Fixture { store, names, .. }) = &Fixture::cql(case).await else {
        return;
    };
    let (left, first, second) = (names.link(7, "foo"), names.link(8, "foo"), names.link(9, "foo"));
    let record = names.record("late-refusal", "body");
    // Planned over no row; then a link comes and goes.
    let one = Held::until(case, &first_claim(&first), &first, &record)
        .await
        .unwrap();
    comes_and_goes(store.as_ref(), &left).await;
    // Another process finds the plan and is refused, but has not said so.
    let other = Held::until(case, &word(&record, &first), &second, &record)
        .await
        .unwrap();
    // The first is refused, says so and plans again, over what is left.
    let over = claim_over(&first.code, 7);
    one.on_until(&over).await;
    // The other's word comes now. Whatever it claims next waits until the first has claimed.
    other.on_until(&over).await;
    assert_eq!(one.let_go().await.unwrap(), Created::Now);
    is_before(other.let_go().await, &first);
    let recalled = store.recall(&record.scope, NOW_MS).await.unwrap().unwrap();
    assert_eq!(recalled.link, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_its_key_calls_refused_is_not_acknowledged() {
    let case = "a_link_that_its_key_calls_refused";
    let Some(Fixture { store, names, .. }) = &Fixture::cql(case).await else {
        return;
    };
    let (made, next) = (names.link(1, "foo"), names.link(2, "foo"));
    let record = names.record("called-refused", "body");
    let one = Held::until(case, &word(&record, &made), &made, &record)
        .await
        .unwrap();
    // Nobody has said yet that the link was made: whoever finds its successor cannot know.
    assert!(store.delete(&made.tenant, &made.code).await.unwrap());
    assert_eq!(store.create(&next, None).await.unwrap(), Created::Now);
    let copy = store.create(&names.link(3, "foo"), Some(&record)).await;
    assert_eq!(copy.unwrap(), Created::Taken);
    let unknown = one.let_go().await.unwrap_err();
    assert!(matches!(unknown, StoreError::Unknown(_)), "{unknown}");
    assert_eq!(store.recall(&record.scope, NOW_MS).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_its_key_calls_done_is_acknowledged_by_all() {
    let case = "a_link_that_its_key_calls_done";
    let Some(Fixture { store, names, .. }) = &Fixture::cql(case).await else {
        return;
    };
    let (made, next) = (names.link(1, "foo"), names.link(2, "foo"));
    let record = names.record("called-done", "body");
    let one = Held::until(case, &first_claim(&made), &made, &record)
        .await
        .unwrap();
    let copy = store.create(&names.link(3, "foo"), Some(&record)).await;
    is_before(copy, &made);
    assert!(store.delete(&made.tenant, &made.code).await.unwrap());
    assert_eq!(store.create(&next, None).await.unwrap(), Created::Now);
    assert_eq!(one.let_go().await.unwrap(), Created::Now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_which_only_the_state_is_left_is_none() {
    let case = "a_record_of_which_only_the_state_is_left";
    let Some(keyspace) = Keyspace::of(case).await else {
        return;
    };
    let (names, wide) = (keyspace.names, keyspace.connect().await);
    let store = CqlLinkStore::open(wide.clone()).await.unwrap();
    let record = names.record("ends", "body");
    let plan = STATEMENTS.iter().find(|statement| statement.name == "plan_link");
    let (tenant, text, number) = (record.scope.tenant.as_str(), None::<&str>, None::<i64>);
    let bytes = None::<&[u8]>;
    let values = (
        tenant, "ada", "ends", bytes, number, text, number, number, 600_i32,
    );
    assert!(wide.conditional(plan.unwrap(), values).await.unwrap().applied);
    assert_eq!(store.recall(&record.scope, NOW_MS).await.unwrap(), None);
}
