//! The contract of the port: written once, run on every engine. Only one is compiled in so far.

use std::sync::Arc;

use clock::SystemClock;
use idempotency::{Fingerprint, IdempotencyKey};
use identity::{Tenant, User};
use ids::Id;
use shortener::link::{Code, GENERATED_CODES, Lifetime, Link, OwnHosts, Tags, TargetUrl, URL_BYTES_MAX};
use shortener::store::sqlite::SqliteLinkStore;
use shortener::store::{ClickBatch, Created, LinkClicks, LinkStore, NewRecord, RecordScope, StoreError};
use sql::{Sqlite, SqliteSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tempfile::TempDir;

use crate::harness::{Blocked, eventually};

const NOW_MS: u64 = 1_795_305_600_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A store of its own.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn LinkStore>,
    folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        Self { store, folder }
    }

    /// The same data through a new handle, as another process would see it.
    async fn another(&self) -> Arc<dyn LinkStore> {
        open(&self.folder).await
    }

    /// Takes the engine away until the guard is released.
    async fn lost(&self) -> Blocked {
        Blocked::new(self.folder.path().join("shortener.db")).await
    }
}

async fn open(folder: &TempDir) -> Arc<dyn LinkStore> {
    let clock = SystemClock::shared();
    let telemetry = Telemetry::new("contract", "test", &TelemetrySettings::default(), clock.clone()).unwrap();
    let settings = SqliteSettings {
        write_deadline_ms: 1_000,
        busy_timeout_ms: 50,
        ..SqliteSettings::default()
    };
    let file = Sqlite::open(folder.path().join("shortener.db"), settings, telemetry, clock)
        .await
        .unwrap();
    Arc::new(SqliteLinkStore::open(file).await.unwrap())
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).unwrap()
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn id(number: u64) -> Id {
    Id::from_u64(number).unwrap()
}

fn link(number: u64, text: &str) -> Link {
    let url = format!("https://example.com/{number}");
    Link {
        id: id(number),
        tenant: tenant("acme"),
        code: code(text),
        target: TargetUrl::parse(&url, &OwnHosts::new(), URL_BYTES_MAX).unwrap(),
        lifetime: Lifetime::UntilDeleted,
        tags: Tags::default(),
        created_at_ms: NOW_MS,
        updated_at_ms: NOW_MS,
        revision: 1,
    }
}

fn record(key: &str, body: &str) -> NewRecord {
    NewRecord {
        scope: RecordScope {
            tenant: tenant("acme"),
            user: User::parse("ada").unwrap(),
            key: IdempotencyKey::parse(key).unwrap(),
        },
        fingerprint: Fingerprint::of("POST", "/v1/links", body.as_bytes()),
        expires_at_ms: NOW_MS + DAY_MS,
    }
}

fn clicks(event_id: &str, sums: &[(&str, u64, u64, u64)]) -> ClickBatch {
    let sum = |(name, number, count, last_at_ms): &(&str, u64, u64, u64)| LinkClicks {
        tenant: tenant(name),
        link_id: id(*number),
        count: *count,
        last_at_ms: *last_at_ms,
    };
    ClickBatch {
        event_id: event_id.to_owned(),
        counted_at_ms: NOW_MS,
        links: sums.iter().map(sum).collect(),
    }
}

macro_rules! contract {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(super::Fixture::new().await).await;
                }
            )+
        }
    };
}

contract!(
    what_was_written_is_read_the_same_by_every_handle,
    of_racing_claims_one_wins_and_the_others_write_nothing,
    a_replayed_key_answers_the_same_and_writes_nothing,
    racing_copies_of_a_key_have_one_effect_also_across_processes,
    a_record_ends_with_its_time,
    a_dropped_write_leaves_all_or_nothing,
    an_engine_that_is_lost_says_so_and_works_when_it_is_back,
    a_change_is_stored_only_over_the_revision_it_was_made_from,
    tenants_share_nothing,
    paging_is_stable_under_ties_and_concurrent_writes,
    a_deleted_code_is_free_and_its_counts_are_gone,
    counters_are_given_once_and_run_out,
    a_fingerprint_is_pinned_once,
    an_event_counts_once_however_often_it_comes,
    the_largest_values_fit,
    garbage_is_collected_in_steps_and_nothing_else,
);

async fn what_was_written_is_read_the_same_by_every_handle(fixture: Fixture) {
    let lifetimes = [
        Lifetime::Permanent,
        Lifetime::UntilDeleted,
        Lifetime::Until(NOW_MS + 5),
    ];
    for (number, lifetime) in (1..).zip(lifetimes) {
        let tags = Tags::from_store(vec!["ä\"'".to_owned(), "b".to_owned()]);
        let made = Link {
            lifetime,
            tags,
            ..link(number, &format!("code-{number}"))
        };
        assert_eq!(fixture.store.create(&made, None).await.unwrap(), Created::Now);
        for store in [fixture.store.clone(), fixture.another().await] {
            assert_eq!(store.resolve(&made.code).await.unwrap().as_ref(), Some(&made));
            let found = store.find(&made.tenant, &made.code).await.unwrap().unwrap();
            assert_eq!(
                (found.link, found.clicks.count, found.clicks.last_at_ms),
                (made.clone(), 0, None)
            );
        }
    }
    assert_eq!(
        fixture.store.resolve(&code("CODE-1")).await.unwrap(),
        None,
        "codes differ by case"
    );
    assert_eq!(
        fixture.store.list(&tenant("acme"), None, 10).await.unwrap().len(),
        3,
        "also the expired one"
    );
}

async fn of_racing_claims_one_wins_and_the_others_write_nothing(fixture: Fixture) {
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut claims = tokio::task::JoinSet::new();
    for number in 1..=100 {
        let store = stores[usize::try_from(number % 2).unwrap()].clone();
        claims.spawn(async move {
            let (link, record) = (link(number, "the-one"), record(&format!("key-{number}"), "body"));
            eventually_answered(|| store.create(&link, Some(&record))).await == Created::Now
        });
    }
    assert_eq!(claims.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let listed = fixture.store.list(&tenant("acme"), None, 100).await.unwrap();
    assert_eq!(listed.len(), 1);
    let mut records = 0;
    for number in 1..=100 {
        let scope = record(&format!("key-{number}"), "body").scope;
        records += usize::from(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_some());
    }
    assert_eq!(records, 1, "a record is written with its effect only");
}

/// Under contention a store may be unavailable; then nothing was written and the same is tried again.
async fn eventually_answered<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> T {
    for _ in 0..200 {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.retryable(), "{error}"),
        }
    }
    panic!("the store never answered");
}

async fn a_replayed_key_answers_the_same_and_writes_nothing(fixture: Fixture) {
    let (first, record_one) = (link(1, "first"), record("k", "body"));
    assert_eq!(
        fixture.store.create(&first, Some(&record_one)).await.unwrap(),
        Created::Now
    );
    fixture.store.delete(&first.tenant, &first.code).await.unwrap();
    for store in [fixture.store.clone(), fixture.another().await] {
        let again = store
            .create(&link(2, "second"), Some(&record("k", "other body")))
            .await
            .unwrap();
        let Created::Before(before) = again else {
            panic!("{again:?}")
        };
        assert_eq!(
            (before.fingerprint, before.link),
            (record_one.fingerprint, first.clone())
        );
        assert_eq!(store.resolve(&code("second")).await.unwrap(), None);
    }
    let mut scope = record_one.scope.clone();
    assert!(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_some());
    scope.user = User::parse("bob").unwrap();
    assert!(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_none());
    scope = RecordScope {
        tenant: tenant("other"),
        ..record_one.scope
    };
    assert!(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_none());
}

async fn racing_copies_of_a_key_have_one_effect_also_across_processes(fixture: Fixture) {
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut copies = tokio::task::JoinSet::new();
    for number in 1..=40 {
        let store = stores[usize::try_from(number % 2).unwrap()].clone();
        copies.spawn(async move {
            let (made, record) = (link(number, &format!("copy-{number}")), record("k", "body"));
            match eventually_answered(|| store.create(&made, Some(&record))).await {
                Created::Now => made,
                Created::Before(first) => first.link,
                Created::Taken => panic!("each copy brings a code of its own"),
            }
        });
    }
    let answers = copies.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(
        fixture
            .store
            .list(&tenant("acme"), None, 100)
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn a_record_ends_with_its_time(fixture: Fixture) {
    let store = &fixture.store;
    store
        .create(&link(1, "first"), Some(&record("k", "body")))
        .await
        .unwrap();
    let scope = record("k", "body").scope;
    assert!(store.recall(&scope, NOW_MS + DAY_MS - 1).await.unwrap().is_some());
    assert!(store.recall(&scope, NOW_MS + DAY_MS).await.unwrap().is_none());
    let later = Link {
        created_at_ms: NOW_MS + DAY_MS,
        ..link(2, "second")
    };
    let renewed = NewRecord {
        expires_at_ms: NOW_MS + 2 * DAY_MS,
        ..record("k", "other")
    };
    assert_eq!(store.create(&later, Some(&renewed)).await.unwrap(), Created::Now);
    assert_eq!(
        store.recall(&scope, NOW_MS + DAY_MS).await.unwrap().unwrap().link,
        later
    );
}

async fn a_dropped_write_leaves_all_or_nothing(fixture: Fixture) {
    for number in 1..=60 {
        let (made, record) = (
            link(number, &format!("drop-{number}")),
            record(&format!("k-{number}"), "body"),
        );
        let patience = std::time::Duration::from_micros(number * 40);
        let _ = tokio::time::timeout(patience, fixture.store.create(&made, Some(&record))).await;
        // Whatever became of it, the same key settles it: one link, one answer.
        let settled = eventually_answered(|| fixture.store.create(&made, Some(&record))).await;
        match settled {
            Created::Now => {}
            Created::Before(first) => assert_eq!(first.link, made),
            Created::Taken => panic!("the link stood without its record"),
        }
        assert_eq!(fixture.store.resolve(&made.code).await.unwrap(), Some(made));
    }
    assert_eq!(
        fixture
            .store
            .list(&tenant("acme"), None, 100)
            .await
            .unwrap()
            .len(),
        60
    );
}

async fn an_engine_that_is_lost_says_so_and_works_when_it_is_back(fixture: Fixture) {
    let made = link(1, "kept");
    fixture.store.create(&made, None).await.unwrap();
    let lost = fixture.lost().await;
    let refused = fixture.store.create(&link(2, "refused"), None).await.unwrap_err();
    assert!(refused.retryable(), "{refused}");
    lost.release().await;
    eventually("the store works again", async || {
        fixture.store.create(&link(3, "again"), None).await.is_ok()
    })
    .await;
    assert_eq!(
        fixture.store.resolve(&code("refused")).await.unwrap(),
        None,
        "nothing was written"
    );
    assert_eq!(fixture.store.resolve(&made.code).await.unwrap(), Some(made));
}

async fn a_change_is_stored_only_over_the_revision_it_was_made_from(fixture: Fixture) {
    let store = &fixture.store;
    let first = link(1, "changes");
    store.create(&first, None).await.unwrap();
    let second = Link {
        revision: 2,
        lifetime: Lifetime::Permanent,
        updated_at_ms: NOW_MS + 1,
        ..first.clone()
    };
    assert!(store.replace(&second).await.unwrap());
    assert!(
        !store.replace(&second).await.unwrap(),
        "made from a revision that is gone"
    );
    assert_eq!(store.resolve(&first.code).await.unwrap(), Some(second.clone()));
    store.delete(&first.tenant, &first.code).await.unwrap();
    store.create(&link(9, "changes"), None).await.unwrap();
    let other = Link { revision: 2, ..first };
    assert!(
        !store.replace(&other).await.unwrap(),
        "the code is another link's by now"
    );
}

async fn tenants_share_nothing(fixture: Fixture) {
    let store = &fixture.store;
    let mine = link(1, "mine");
    store.create(&mine, None).await.unwrap();
    let other = tenant("other");
    assert_eq!(store.find(&other, &mine.code).await.unwrap(), None);
    assert!(store.list(&other, None, 10).await.unwrap().is_empty());
    assert!(!store.delete(&other, &mine.code).await.unwrap());
    assert!(
        !store
            .replace(&Link {
                tenant: other.clone(),
                revision: 2,
                ..mine.clone()
            })
            .await
            .unwrap()
    );
    assert!(
        store
            .add_clicks(&clicks("e1", &[("other", 1, 5, NOW_MS)]))
            .await
            .unwrap()
    );
    let found = store.find(&mine.tenant, &mine.code).await.unwrap().unwrap();
    assert_eq!((found.link, found.clicks.count), (mine, 0));
}

async fn paging_is_stable_under_ties_and_concurrent_writes(fixture: Fixture) {
    let store = &fixture.store;
    // All made in the same millisecond: only ids tell their order.
    for number in 1..=50 {
        store
            .create(&link(number * 2, &format!("page-{number}")), None)
            .await
            .unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(&tenant("acme"), before, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.link.id);
        seen.extend(page.iter().map(|counted| counted.link.id.as_u64()));
        // Newer ones come, one that was seen goes.
        let number = 1_001 + seen.len() as u64;
        store
            .create(&link(number, &format!("new-{number}")), None)
            .await
            .unwrap();
        let gone = format!("page-{}", seen[seen.len() - 1] / 2);
        assert!(store.delete(&tenant("acme"), &code(&gone)).await.unwrap());
    }
    let all: Vec<u64> = (1..=50).rev().map(|number| number * 2).collect();
    assert_eq!(seen, all);
}

async fn a_deleted_code_is_free_and_its_counts_are_gone(fixture: Fixture) {
    let store = &fixture.store;
    let first = link(1, "reused");
    store.create(&first, None).await.unwrap();
    store
        .add_clicks(&clicks("e1", &[("acme", 1, 3, NOW_MS)]))
        .await
        .unwrap();
    assert!(store.delete(&first.tenant, &first.code).await.unwrap());
    assert!(!store.delete(&first.tenant, &first.code).await.unwrap());
    assert_eq!(store.resolve(&first.code).await.unwrap(), None);
    let second = link(2, "reused");
    assert_eq!(store.create(&second, None).await.unwrap(), Created::Now);
    // A late click on the former link is nobody's.
    assert!(
        store
            .add_clicks(&clicks("e2", &[("acme", 1, 3, NOW_MS)]))
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .find(&second.tenant, &second.code)
            .await
            .unwrap()
            .unwrap()
            .clicks
            .count,
        0
    );
}

async fn counters_are_given_once_and_run_out(fixture: Fixture) {
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut leases = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = stores[number % 2].clone();
        leases.spawn(async move { eventually_answered(|| store.lease_counters(10, GENERATED_CODES)).await });
    }
    let mut ranges = leases.join_all().await;
    ranges.sort_by_key(|range| range.start);
    let expected: Vec<_> = (0..40).map(|number| number * 10..number * 10 + 10).collect();
    assert_eq!(ranges, expected);
    assert_eq!(fixture.store.lease_counters(5, 405).await.unwrap(), 400..405);
    let over = fixture.store.lease_counters(1, 405).await.unwrap_err();
    assert!(matches!(over, StoreError::CodesExhausted), "{over}");
    assert_eq!(
        fixture.store.lease_counters(1, 406).await.unwrap(),
        405..406,
        "a refusal takes nothing"
    );
}

async fn a_fingerprint_is_pinned_once(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.key_fingerprint().await.unwrap(), None);
    assert_eq!(store.pin_key_fingerprint("first").await.unwrap(), "first");
    assert_eq!(store.pin_key_fingerprint("second").await.unwrap(), "first");
    assert_eq!(
        fixture
            .another()
            .await
            .key_fingerprint()
            .await
            .unwrap()
            .as_deref(),
        Some("first")
    );
}

async fn an_event_counts_once_however_often_it_comes(fixture: Fixture) {
    let store = &fixture.store;
    store.create(&link(1, "one"), None).await.unwrap();
    store.create(&link(2, "two"), None).await.unwrap();
    let batch = clicks(
        "e1",
        &[
            ("acme", 1, 3, NOW_MS + 7),
            ("acme", 2, 1, NOW_MS),
            ("acme", 1, 2, NOW_MS + 5),
        ],
    );
    assert!(store.add_clicks(&batch).await.unwrap());
    for other in [store.clone(), fixture.another().await] {
        assert!(!other.add_clicks(&batch).await.unwrap(), "redelivered");
    }
    assert!(
        store
            .add_clicks(&clicks("e2", &[("acme", 1, 1, NOW_MS + 1)]))
            .await
            .unwrap()
    );
    let counts = async |text: &str| {
        let clicks = store
            .find(&tenant("acme"), &code(text))
            .await
            .unwrap()
            .unwrap()
            .clicks;
        (clicks.count, clicks.last_at_ms)
    };
    assert_eq!(
        counts("one").await,
        (6, Some(NOW_MS + 7)),
        "the latest click stays the latest"
    );
    assert_eq!(counts("two").await, (1, Some(NOW_MS)));
}

async fn the_largest_values_fit(fixture: Fixture) {
    let store = &fixture.store;
    let largest = Link {
        id: id((1 << 63) - 1),
        tenant: tenant(&"t".repeat(64)),
        code: code(&"c".repeat(64)),
        target: TargetUrl::from_store(format!("https://example.com/{}", "u".repeat(URL_BYTES_MAX - 20))),
        lifetime: Lifetime::Until(u64::MAX >> 1),
        tags: Tags::from_store(
            (0..10)
                .map(|n| format!("{n}{}", "\u{10ffff}".repeat(49)))
                .collect(),
        ),
        ..link(1, "unused")
    };
    let record = NewRecord {
        scope: RecordScope {
            tenant: largest.tenant.clone(),
            user: User::parse(&"u".repeat(64)).unwrap(),
            key: IdempotencyKey::parse(&"k".repeat(255)).unwrap(),
        },
        ..record("k", "body")
    };
    assert_eq!(store.create(&largest, Some(&record)).await.unwrap(), Created::Now);
    assert_eq!(
        store.recall(&record.scope, NOW_MS).await.unwrap().unwrap().link,
        largest
    );
    let sums = clicks("e", &[("t", 1, 1, 1)]);
    let many = LinkClicks {
        tenant: largest.tenant.clone(),
        link_id: largest.id,
        count: 1 << 40,
        last_at_ms: NOW_MS,
    };
    store
        .add_clicks(&ClickBatch {
            links: vec![many],
            ..sums
        })
        .await
        .unwrap();
    let listed = store.list(&largest.tenant, None, 1).await.unwrap();
    assert_eq!((&listed[0].link, listed[0].clicks.count), (&largest, 1 << 40));
}

async fn garbage_is_collected_in_steps_and_nothing_else(fixture: Fixture) {
    let store = &fixture.store;
    for number in 1..=5 {
        let record = NewRecord {
            expires_at_ms: NOW_MS + number,
            ..record(&format!("k-{number}"), "body")
        };
        store
            .create(&link(number, &format!("link-{number}")), Some(&record))
            .await
            .unwrap();
        let batch = clicks(&format!("e-{number}"), &[("acme", number, 1, NOW_MS)]);
        store
            .add_clicks(&ClickBatch {
                counted_at_ms: NOW_MS + number,
                ..batch
            })
            .await
            .unwrap();
    }
    assert_eq!(
        store.collect_garbage(NOW_MS + 3, NOW_MS + 3, 2).await.unwrap(),
        4,
        "two of each"
    );
    assert_eq!(
        store.collect_garbage(NOW_MS + 3, NOW_MS + 3, 2).await.unwrap(),
        1,
        "the third record"
    );
    assert_eq!(store.collect_garbage(NOW_MS + 3, NOW_MS + 3, 2).await.unwrap(), 0);
    assert!(
        store
            .recall(&record("k-4", "body").scope, NOW_MS)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        !store
            .add_clicks(&clicks("e-3", &[("acme", 3, 1, NOW_MS)]))
            .await
            .unwrap()
    );
    assert_eq!(store.list(&tenant("acme"), None, 10).await.unwrap().len(), 5);
}
