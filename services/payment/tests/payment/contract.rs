//! What [`payment::store::ledger::Ledger`] promises, written once; a line an engine at the end.

#[path = "contract/accounts.rs"]
mod accounts;
#[path = "contract/chain.rs"]
mod chain;
#[path = "contract/claims.rs"]
mod claims;
#[path = "contract/holds.rs"]
mod holds;
#[path = "contract/reads.rs"]
mod reads;
#[path = "contract/reversals.rs"]
mod reversals;
#[path = "contract/transfers.rs"]
mod transfers;
#[path = "contract/unknown.rs"]
mod unknown;

use std::sync::Arc;

use async_trait::async_trait;
use payment::store::Database;
use payment::store::ledger::{PostgresLedger, SharedLedger, SqliteLedger};
use sql::{DatabaseUrl, PostgresSettings, SqliteSettings};
use sqlx::Connection as _;

use testkit::engines::{self, Kind};

use crate::books::{NOW_MS, telemetry};

/// A database of one case's own.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// A handle as another process would have it: the first makes the schema.
    async fn open(&self) -> SharedLedger;
    /// Where it is, for whoever looks from outside.
    fn url(&self) -> String;
    /// Leaves nothing behind.
    async fn remove(&self);
}

/// Lets many do the same at the same time, on two handles in turn, and gives what each came to.
pub(crate) async fn race<T, F>(
    engine: &dyn Engine,
    many: u64,
    work: impl Fn(SharedLedger, u64) -> F,
) -> Vec<T>
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

/// Opens what `url` names, as the service does.
pub(crate) async fn database(url: &str) -> Database {
    let clock = clock::ManualClock::at(NOW_MS);
    let parsed = DatabaseUrl::parse(url).unwrap();
    // Patience for a machine with two cores and many racers.
    let sqlite = SqliteSettings {
        write_deadline_ms: 30_000,
        ..SqliteSettings::default()
    };
    let postgres = PostgresSettings {
        readers_max: 2,
        writers_max: 6,
        write_deadline_ms: 30_000,
        acquire_timeout_ms: 20_000,
        ..PostgresSettings::default()
    };
    Database::open(&parsed, url, sqlite, postgres, telemetry(&clock), clock)
        .await
        .unwrap()
}

/// Lets the ledger in this schema go by its callers' clocks, which tests set: as its owner may, and nobody else.
pub(crate) async fn trust_clocks(base: &str, schema: &str) {
    let mut owner = sqlx::PgConnection::connect(base).await.unwrap();
    let trust =
        format!("UPDATE {schema}.ledger_clock SET behind_ms_max = NULL WHERE behind_ms_max IS NOT NULL");
    sqlx::raw_sql(sqlx::AssertSqlSafe(trust))
        .execute(&mut owner)
        .await
        .unwrap();
    owner.close().await.unwrap();
}

pub(crate) struct OnSqlite(tempfile::TempDir);

impl OnSqlite {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "as every engine is made: others may be missing"
    )]
    pub(crate) fn new(_case: &str) -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }

    /// The file itself.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.0.path().join("payment.db")
    }
}

#[async_trait]
impl Engine for OnSqlite {
    async fn open(&self) -> SharedLedger {
        let Database::Sqlite(sql) = database(&self.url()).await else {
            panic!("the URL names a file");
        };
        Arc::new(SqliteLedger::new(sql, clock::ManualClock::at(NOW_MS)))
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }

    async fn remove(&self) {}
}

/// A schema of its own on the shared engine.
pub(crate) struct OnPostgres {
    base: String,
    schema: String,
}

impl OnPostgres {
    pub(crate) fn new(case: &str) -> Option<Self> {
        Some(Self {
            base: engines::url(Kind::Postgres, case)?,
            schema: engines::fresh_name("ledger"),
        })
    }

    /// The server's, without a schema.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The same, by way of another address.
    pub(crate) fn url_through(&self, address: std::net::SocketAddr) -> String {
        format!("{}?schema={}", Kind::Postgres.url_at(&[address]), self.schema)
    }

    /// Its name.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }
}

#[async_trait]
impl Engine for OnPostgres {
    async fn open(&self) -> SharedLedger {
        let Database::Postgres(sql) = database(&self.url()).await else {
            panic!("the URL names a server");
        };
        trust_clocks(&self.base, &self.schema).await;
        Arc::new(PostgresLedger::new(sql))
    }

    fn url(&self) -> String {
        format!("{}?schema={}", self.base, self.schema)
    }

    async fn remove(&self) {
        let mut connection = sqlx::PgConnection::connect(&self.base).await.unwrap();
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

/// A test a case and engine.
macro_rules! contract_suite {
    ($($engine:ident: $fixture:ty),* $(,)?) => {
        $(
            mod $engine {
                contract_suite!(cases $fixture;
                    accounts::an_account_is_made_once_and_found_again,
                    accounts::a_key_makes_one_account_and_shows_it_as_it_was_made,
                    accounts::accounts_are_listed_by_id_and_filter,
                    accounts::an_account_with_a_balance_or_holds_is_not_closed,
                    accounts::closing_races_with_postings_and_one_is_first,
                    accounts::a_split_account_sums_over_its_parts,
                    accounts::lone_snowflakes_spread_over_the_parts_of_a_split_account,
                    transfers::a_transfer_moves_money_and_stands_after_reopening,
                    transfers::what_is_refused_moves_nothing,
                    transfers::tenants_do_not_see_one_another,
                    transfers::crossing_transfers_do_not_stand_in_each_others_way,
                    transfers::racing_takers_never_take_more_than_there_is,
                    transfers::write_skew_over_two_holds_and_a_transfer_cannot_happen,
                    transfers::together_is_whole_or_nothing,
                    transfers::a_batch_of_the_largest_size_is_one_link,
                    transfers::a_transaction_of_a_thousand_postings_is_whole,
                    transfers::the_largest_amounts_come_back_and_overflow_is_refused,
                    transfers::an_id_is_given_once,
                    transfers::all_or_nothing_an_id_is_the_first_ones_that_wants_it,
                    transfers::an_exchange_goes_through_two_currencies,
                    claims::sixty_four_racing_copies_have_one_effect_and_one_answer,
                    claims::a_refusal_is_remembered_even_when_the_money_came,
                    claims::a_key_for_another_request_is_refused,
                    claims::copies_within_a_batch_are_replays,
                    claims::a_replayed_capture_shows_the_hold_as_it_was,
                    claims::claims_expire_and_are_forgotten,
                    holds::a_hold_is_captured_in_parts,
                    holds::a_hold_under_a_taken_id_is_refused_and_nothing_else_is,
                    holds::racing_captures_never_exceed_the_hold,
                    holds::capture_void_and_expiry_race_and_the_hold_ends_once,
                    holds::overdue_holds_are_found_and_expired,
                    holds::holds_are_listed_by_id_and_account,
                    reversals::racing_partial_reversals_never_exceed_the_transfer,
                    reversals::a_reversal_points_at_what_it_reverses,
                    reads::a_sealed_moment_stays_as_it_is_while_writers_race,
                    reads::entries_are_paged_under_ties_and_concurrent_writes,
                    reads::entries_of_a_split_account_are_paged_in_order,
                    reads::the_trial_balance_is_zero_now_and_then,
                    chain::links_are_gapless_and_verify_as_they_are_read_back,
                    chain::times_never_go_back_whatever_clocks_say,
                    chain::clocks_that_are_far_ahead_do_nothing,
                    chain::nothing_accepted_makes_no_link,
                );
            }
        )*
    };
    (cases $fixture:ty; $($group:ident :: $case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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
