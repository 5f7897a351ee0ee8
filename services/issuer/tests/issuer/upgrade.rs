//! A column is replaced while older programs run, and then while newer ones do.

use identity::Tenant;
use issuer::store::{PostgresStore, Put, Registry as _, SqliteStore, Store as _, TenantRecord};
use sql::{Migration, SqlError};

use crate::contract::{Engine as _, OnPostgres};
use crate::service::{NOW_MS, telemetry};

/// What the older program knows.
const OLD: &[Migration] = &[
    Migration::expand(
        1,
        "issuer",
        include_str!("../../migrations/postgres/0001_issuer.sql"),
    ),
    Migration::expand(
        2,
        "clients",
        include_str!("../../migrations/postgres/0002_clients.sql"),
    ),
];
const OLD_SQLITE: &[Migration] = &[
    Migration::expand(
        1,
        "issuer",
        include_str!("../../migrations/sqlite/0001_issuer.sql"),
    ),
    Migration::expand(
        2,
        "clients",
        include_str!("../../migrations/sqlite/0002_clients.sql"),
    ),
];
/// What it does.
const OLD_TENANT: &str = "INSERT INTO tenant (id, display_name, created_ms) VALUES ('old', 'Old & Co', 1)";
const OLD_CHANGE: &str = "UPDATE tenant SET display_name = 'Changed' WHERE id = 'new'";

fn tenant(id: &str) -> TenantRecord {
    TenantRecord {
        id: Tenant::parse(id).unwrap(),
        display_name: format!("The {id} company"),
        created_ms: NOW_MS,
    }
}

async fn name(store: &dyn issuer::store::Store, id: &str) -> String {
    let found = store.tenant(&Tenant::parse(id).unwrap()).await.unwrap();
    found.unwrap().display_name
}

#[tokio::test]
async fn on_postgres_an_open_store_goes_on_when_another_process_contracts_the_schema() {
    let case = "on_postgres_an_open_store_goes_on_when_another_process_contracts_the_schema";
    let Some(engine) = OnPostgres::new(case) else {
        return;
    };
    let clock = clock::ManualClock::at(NOW_MS);
    let (url, settings) = (engine.url(), sql::PostgresSettings::default());
    let older = sql::Postgres::connect(&url, settings, telemetry(&clock), clock.clone());
    let older = older.await.unwrap();
    older.migrate(OLD).await.unwrap();
    engine.sql(OLD_TENANT).await;

    let stores = [engine.open().await, engine.open().await, engine.open().await];
    let [reads, writes, _] = &stores;
    assert_eq!(reads.put_tenant(&tenant("new"), 9).await.unwrap(), Put::Made);
    // The older program is still welcome, and what it writes is what counts.
    older.migrate(OLD).await.unwrap();
    engine.sql(OLD_CHANGE).await;
    assert_eq!(name(&**reads, "new").await, "Changed");

    PostgresStore::contract(&older).await.unwrap();
    assert_eq!(name(&**reads, "new").await, "Changed");
    assert_eq!(name(&**reads, "old").await, "Old & Co");
    assert_eq!(writes.put_tenant(&tenant("later"), 9).await.unwrap(), Put::Made);
    assert_eq!(name(&**reads, "later").await, "The later company");
    let refused = older.migrate(OLD).await.unwrap_err();
    assert!(
        matches!(refused, SqlError::SchemaNewer { found: 4, known: 2 }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("start the newer program"),
        "{refused}"
    );
    engine.remove().await;
}

#[tokio::test]
async fn on_sqlite_the_next_program_reads_what_the_contract_made_of_the_old_column() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        let clock = clock::ManualClock::at(NOW_MS);
        let settings = sql::SqliteSettings::default();
        let file = folder.path().join("issuer.db");
        let opened = sql::Sqlite::open(file, settings, telemetry(&clock), clock.clone());
        opened.await.unwrap()
    };
    let older = open().await;
    older.migrate(OLD_SQLITE).await.unwrap();
    let old_writes = async |statement: &'static str| {
        let done = older.write("as_an_older_program", |tx| {
            sql::scoped(async move {
                sqlx::query(statement).execute(&mut *tx).await?;
                Ok::<_, SqlError>(())
            })
        });
        done.await.unwrap();
    };
    old_writes(OLD_TENANT).await;
    let store = SqliteStore::new(open().await).await.unwrap();
    assert_eq!(store.put_tenant(&tenant("new"), 9).await.unwrap(), Put::Made);
    old_writes(OLD_CHANGE).await;
    assert_eq!(name(&store, "new").await, "Changed");
    store.close().await;

    SqliteStore::contract(&open().await).await.unwrap();
    let store = SqliteStore::new(open().await).await.unwrap();
    assert_eq!(name(&store, "new").await, "Changed");
    assert_eq!(name(&store, "old").await, "Old & Co");
    assert_eq!(store.put_tenant(&tenant("later"), 9).await.unwrap(), Put::Made);
    assert_eq!(name(&store, "later").await, "The later company");
}
