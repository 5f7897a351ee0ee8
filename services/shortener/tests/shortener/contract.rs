//! The contract of the port: written once, run on every engine. Only one is compiled in so far.

#[path = "contract/counts.rs"]
mod counts;
#[path = "contract/links.rs"]
mod links;
#[path = "contract/records.rs"]
mod records;

use std::sync::Arc;

use clock::SystemClock;
use idempotency::{Fingerprint, IdempotencyKey};
use identity::{Tenant, User};
use ids::Id;
use shortener::link::{Code, Lifetime, Link, OwnHosts, Tags, TargetUrl, URL_BYTES_MAX};
use shortener::store::sqlite::SqliteLinkStore;
use shortener::store::{ClickBatch, LinkClicks, LinkStore, NewRecord, RecordScope, StoreError};
use sql::{Sqlite, SqliteSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tempfile::TempDir;

use crate::harness::Blocked;

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
    ($($area:ident { $($case:ident),+ $(,)? })+) => {
        mod sqlite {
            $(mod $area {
                use crate::contract::{Fixture, $area};
                $(
                    #[tokio::test(flavor = "multi_thread")]
                    async fn $case() {
                        $area::$case(Fixture::new().await).await;
                    }
                )+
            })+
        }
    };
}

contract! {
    links {
        what_was_written_is_read_the_same_by_every_handle,
        of_racing_claims_one_wins_and_the_others_write_nothing,
        an_engine_that_is_lost_says_so_and_works_when_it_is_back,
        a_change_is_stored_only_over_the_revision_it_was_made_from,
        tenants_share_nothing,
        paging_is_stable_under_ties_and_concurrent_writes,
        a_deleted_code_is_free_and_its_counts_are_gone,
        the_largest_values_fit,
    }
    records {
        a_replayed_key_answers_the_same_and_writes_nothing,
        racing_copies_of_a_key_have_one_effect_also_across_processes,
        a_record_ends_with_its_time,
        a_dropped_write_leaves_all_or_nothing,
    }
    counts {
        counters_are_given_once_and_run_out,
        a_fingerprint_is_pinned_once,
        an_event_counts_once_however_often_it_comes,
        garbage_is_collected_in_steps_and_nothing_else,
    }
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
