//! What [`issuer::store::Store`] promises, written once; a line an engine at the end.

#[path = "contract/clients.rs"]
mod clients;
#[path = "contract/sign_ins.rs"]
mod sign_ins;

use std::sync::Arc;

use async_trait::async_trait;
use clock::SharedClock;
use issuer::store::{PostgresStore, SqliteStore, Store};
use testkit::engines::{self, Kind};

use crate::service::{NOW_MS, telemetry};

/// A database of one case's own.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// A handle as another process would have it: the first makes the schema.
    async fn open(&self) -> Arc<dyn Store>;
    /// Leaves nothing behind.
    async fn remove(&self);
}

/// Lets many do the same at the same time, on two handles in turn, and gives what each came to.
async fn race<T, F>(engine: &dyn Engine, many: u64, work: impl Fn(Arc<dyn Store>, u64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let handles = [engine.open().await, engine.open().await];
    let racers: Vec<_> = (0..many)
        .map(|i| tokio::spawn(work(handles[usize::from(i % 2 == 0)].clone(), i)))
        .collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

pub(crate) struct OnSqlite(tempfile::TempDir);

impl OnSqlite {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "as every engine is made: others may be missing"
    )]
    fn new(_case: &str) -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }
}

#[async_trait]
impl Engine for OnSqlite {
    async fn open(&self) -> Arc<dyn Store> {
        let clock = clock::ManualClock::at(NOW_MS);
        let shared: SharedClock = clock.clone();
        let settings = sql::SqliteSettings::default();
        let file = self.0.path().join("issuer.db");
        let sql = sql::Sqlite::open(file, settings, telemetry(&clock), shared);
        Arc::new(SqliteStore::new(sql.await.unwrap()).await.unwrap())
    }

    async fn remove(&self) {}
}

pub(crate) struct OnPostgres {
    base: String,
    schema: String,
}

impl OnPostgres {
    /// A schema of the case's own on the shared server; `None` after skipping aloud.
    pub(crate) fn new(case: &str) -> Option<Self> {
        Some(Self {
            base: engines::url(Kind::Postgres, case)?,
            schema: engines::fresh_name("issuer"),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}?schema={}", self.base, self.schema)
    }

    /// The same, by way of another address.
    pub(crate) fn url_through(&self, address: std::net::SocketAddr) -> String {
        format!("{}?schema={}", Kind::Postgres.url_at(&[address]), self.schema)
    }

    /// Runs statements behind the service's back.
    pub(crate) async fn sql(&self, statements: &str) {
        use sqlx::Connection as _;
        let mut connection = sqlx::PgConnection::connect(&self.base).await.unwrap();
        let within = format!("SET search_path TO {}; {statements}", self.schema);
        sqlx::raw_sql(sqlx::AssertSqlSafe(within))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}

#[async_trait]
impl Engine for OnPostgres {
    async fn open(&self) -> Arc<dyn Store> {
        let clock = clock::ManualClock::at(NOW_MS);
        let shared: SharedClock = clock.clone();
        let settings = sql::PostgresSettings {
            readers_max: 2,
            writers_max: 4,
            ..sql::PostgresSettings::default()
        };
        let url = self.url();
        let sql = sql::Postgres::connect(&url, settings, telemetry(&clock), shared);
        Arc::new(PostgresStore::new(sql.await.unwrap()).await.unwrap())
    }

    async fn remove(&self) {
        self.sql(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema))
            .await;
    }
}

/// A test a case and engine.
macro_rules! contract_suite {
    ($($engine:ident: $fixture:ty),* $(,)?) => {
        $(
            mod $engine {
                contract_suite!(cases $fixture;
                    sign_ins::keys_are_kept_in_order_of_use,
                    sign_ins::racing_appends_have_one_winner,
                    sign_ins::a_code_is_taken_once_by_one,
                    sign_ins::racing_codes_stay_within_their_bound,
                    sign_ins::codes_are_bounded_and_forgotten,
                    sign_ins::the_largest_values_come_back,
                    sign_ins::the_identity_is_replaced_whole,
                    sign_ins::what_was_written_is_there_after_reopening,
                    clients::a_tenant_is_made_once_and_found_again,
                    clients::a_client_belongs_to_a_tenant_and_its_name_is_the_tenants_own,
                    clients::a_disabled_client_keeps_its_time_until_it_is_enabled,
                    clients::a_key_is_found_with_its_client,
                    clients::a_key_is_revoked_by_its_own_tenant_alone_and_once,
                    clients::keys_are_listed_newest_first_and_by_their_own_tenant_alone,
                    clients::only_live_keys_count_against_the_limit,
                    clients::racing_for_the_last_place_fills_it_once,
                    clients::dead_keys_are_forgotten_and_live_ones_are_not,
                    clients::live_keys_of_another_secret_are_counted,
                    clients::the_largest_names_and_times_come_back,
                );
            }
        )*
    };
    (cases $fixture:ty; $($group:ident :: $case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                use super::Engine as _;
                let Some(engine) = <$fixture>::new(stringify!($case)) else { return };
                super::$group::$case(&engine).await;
                engine.remove().await;
            }
        )*
    };
}

contract_suite!(sqlite: super::OnSqlite, postgres: super::OnPostgres);
