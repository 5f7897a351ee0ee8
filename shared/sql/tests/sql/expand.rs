//! Two versions of a program on one database, on each engine: what the newer one adds, the older one lives with; what it
//! takes away waits until the older one is gone.

use sql::{Migration, Postgres, SqlError, Sqlite, scoped};
use sqlx::{AssertSqlSafe, Executor};

use crate::postgres::Place;

const ONE: Migration = Migration::expand(1, "links", "CREATE TABLE link (code TEXT PRIMARY KEY, url TEXT)");
const TWO: Migration = Migration::expand(2, "target beside url", "ALTER TABLE link ADD COLUMN target TEXT");
const THREE: Migration = Migration::contract(3, "no url", "ALTER TABLE link DROP COLUMN url");
const FOUR: Migration = Migration::expand(4, "clicks", "ALTER TABLE link ADD COLUMN clicks BIGINT");
const BROKEN: Migration = Migration::expand(
    2,
    "broken",
    "CREATE TABLE half (id BIGINT); INSERT INTO nowhere VALUES (1)",
);

static V1: [Migration; 1] = [ONE];
static V2: [Migration; 2] = [ONE, TWO];
static V3: [Migration; 3] = [ONE, TWO, THREE];
static V4: [Migration; 4] = [ONE, TWO, THREE, FOUR];
static V2_BROKEN: [Migration; 2] = [ONE, BROKEN];
static V1_EDITED: [Migration; 1] = [Migration::expand(1, "links", "CREATE TABLE other (id BIGINT)")];

/// A fresh database of either engine.
enum Database {
    Sqlite(tempfile::TempDir, Sqlite),
    Postgres(Place),
}

/// One statement or question, on either engine.
macro_rules! on {
    ($database:expr, $sql:ident => $body:expr) => {
        match $database {
            Database::Sqlite(_, $sql) => $body,
            Database::Postgres(place) => {
                let $sql = &place.sql;
                $body
            }
        }
    };
}

impl Database {
    async fn sqlite(_test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let sql = crate::open(&path, crate::settings()).await.unwrap();
        Some(Self::Sqlite(folder, sql))
    }

    async fn postgres(test: &str) -> Option<Self> {
        let place = Place::bare(test, crate::postgres::settings()).await;
        place.map(Self::Postgres)
    }

    /// Another process's handles to the same database.
    async fn others(&self, count: usize) -> Vec<Other> {
        let mut others = Vec::new();
        for _ in 0..count {
            others.push(match self {
                Self::Sqlite(folder, _) => {
                    let path = folder.path().join("test.db");
                    Other::Sqlite(crate::open(&path, crate::settings()).await.unwrap())
                }
                Self::Postgres(place) => Other::Postgres(place.another().await),
            });
        }
        others
    }

    async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        on!(self, sql => sql.migrate(migrations).await)
    }

    async fn migrate_contract(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        on!(self, sql => sql.migrate_contract(migrations).await)
    }

    async fn pending(&self, migrations: &'static [Migration]) -> Result<Vec<i64>, SqlError> {
        on!(self, sql => sql.pending(migrations).await)
    }

    async fn version(&self) -> i64 {
        on!(self, sql => sql.schema_version().await.unwrap())
    }

    async fn run(&self, statement: &str) -> Result<u64, SqlError> {
        on!(self, sql => sql.write("run", |tx| {
            scoped(async move {
                Ok(tx.execute(AssertSqlSafe(statement.to_owned())).await?.rows_affected())
            })
        }).await)
    }

    async fn ask(&self, question: &str) -> Option<String> {
        let outcome: Result<Option<String>, SqlError> = on!(self, sql => sql.read("ask", |conn| {
            scoped(async move {
                Ok(sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(conn).await?)
            })
        }).await);
        outcome.unwrap()
    }
}

enum Other {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Other {
    async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(sql) => sql.migrate(migrations).await,
            Self::Postgres(sql) => sql.migrate(migrations).await,
        }
    }
}

/// Makes a test of each case on each engine.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                if let Some(database) = super::Database::sqlite(stringify!($name)).await {
                    super::$name(database).await;
                }
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                if let Some(database) = super::Database::postgres(stringify!($name)).await {
                    super::$name(database).await;
                }
            })*
        }
    };
}

cases!(
    what_was_only_added_is_lived_with_and_what_was_taken_away_is_refused,
    two_versions_work_side_by_side_over_a_renamed_column,
    a_step_behind_a_waiting_contract_is_not_jumped_to,
    a_fresh_database_takes_every_step_at_once,
    several_processes_migrate_at_once_and_each_step_is_applied_once,
    a_failed_step_leaves_the_database_as_it_was,
    an_edited_step_is_refused_before_anything_changes,
    a_step_of_which_nobody_said_what_it_does_is_not_taken_for_harmless,
    a_database_that_an_earlier_version_of_this_crate_made_goes_on,
);

async fn what_was_only_added_is_lived_with_and_what_was_taken_away_is_refused(database: Database) {
    assert_eq!(database.version().await, 0);
    database.migrate(&V1).await.unwrap();
    database.migrate(&V2).await.unwrap();
    assert_eq!(database.version().await, 2);
    // An older program starts again, and finds nothing to do.
    database.migrate(&V1).await.unwrap();
    assert!(database.pending(&V1).await.unwrap().is_empty());

    database.migrate(&V3).await.unwrap();
    assert_eq!(database.version().await, 2);
    assert_eq!(database.pending(&V3).await.unwrap(), [3]);
    database.migrate(&V1).await.unwrap();

    database.migrate_contract(&V3).await.unwrap();
    assert_eq!(database.version().await, 3);
    for older in [&V1[..], &V2[..]] {
        for error in [
            database.migrate(older).await.unwrap_err(),
            database.migrate_contract(older).await.unwrap_err(),
            database.pending(older).await.unwrap_err(),
        ] {
            assert!(
                matches!(error, SqlError::SchemaNewer { found: 3, .. }),
                "{error:?}"
            );
        }
    }
    // After the contract schemas are expanded again, and whoever knows it is welcome.
    database.migrate(&V4).await.unwrap();
    database.migrate(&V3).await.unwrap();
    let error = database.migrate(&V2).await.unwrap_err();
    assert!(
        matches!(error, SqlError::SchemaNewer { found: 4, known: 2 }),
        "{error:?}"
    );
}

/// `url` becomes `target`. The older program knows `url` alone. The newer writes both and reads whichever is there, until
/// the contract; the same statements but for `url` are what the release after that runs.
async fn two_versions_work_side_by_side_over_a_renamed_column(database: Database) {
    let old_write = "INSERT INTO link (code, url) VALUES ('old', 'from old')";
    let old_read = "SELECT url FROM link WHERE code = ";
    let new_write = "INSERT INTO link (code, url, target) VALUES ('new', 'from new', 'from new')";
    let new_read = "SELECT coalesce(target, url) FROM link WHERE code = ";
    database.migrate(&V1).await.unwrap();
    database.run(old_write).await.unwrap();
    database.migrate(&V2).await.unwrap();
    database.run(new_write).await.unwrap();
    database.run(&old_write.replace("'old'", "'late'")).await.unwrap();
    for (code, said) in [("old", "from old"), ("new", "from new"), ("late", "from old")] {
        for read in [old_read, new_read] {
            let found = database.ask(&format!("{read}'{code}'")).await;
            assert_eq!(found.as_deref(), Some(said), "{read}{code}");
        }
    }
    // The older program is gone: what it wrote is carried over, then its column goes.
    database
        .run("UPDATE link SET target = url WHERE target IS NULL")
        .await
        .unwrap();
    database.migrate_contract(&V3).await.unwrap();
    for (code, said) in [("old", "from old"), ("new", "from new"), ("late", "from old")] {
        let found = database
            .ask(&format!("SELECT target FROM link WHERE code = '{code}'"))
            .await;
        assert_eq!(found.as_deref(), Some(said), "{code}");
    }
}

async fn a_step_behind_a_waiting_contract_is_not_jumped_to(database: Database) {
    database.migrate(&V2).await.unwrap();
    let error = database.migrate(&V4).await.unwrap_err();
    assert!(
        matches!(error, SqlError::ContractPending { version: 3 }),
        "{error:?}"
    );
    assert_eq!(database.pending(&V4).await.unwrap(), [3, 4]);
    database.migrate_contract(&V4).await.unwrap();
    assert_eq!(database.version().await, 4);
}

async fn a_fresh_database_takes_every_step_at_once(database: Database) {
    database.migrate(&V4).await.unwrap();
    assert_eq!(database.version().await, 4);
    assert!(database.pending(&V4).await.unwrap().is_empty());
    let error = database.migrate(&V2).await.unwrap_err();
    assert!(matches!(error, SqlError::SchemaNewer { .. }), "{error:?}");
}

async fn several_processes_migrate_at_once_and_each_step_is_applied_once(database: Database) {
    let race = async |migrations: &'static [Migration]| {
        let others = database.others(4).await;
        let tasks = others
            .into_iter()
            .map(|other| tokio::spawn(async move { other.migrate(migrations).await }));
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
    };
    race(&V1).await;
    assert_eq!(database.version().await, 1);
    race(&V2).await;
    assert_eq!(database.version().await, 2);
}

async fn a_failed_step_leaves_the_database_as_it_was(database: Database) {
    database.migrate(&V1).await.unwrap();
    let error = database.migrate(&V2_BROKEN).await.unwrap_err();
    assert!(
        matches!(error, SqlError::MigrationFailed { version: 2, .. }),
        "{error:?}"
    );
    assert!(database.run("INSERT INTO half VALUES (1)").await.is_err());
    assert_eq!(database.version().await, 1);
    database.migrate(&V2).await.unwrap();
}

async fn an_edited_step_is_refused_before_anything_changes(database: Database) {
    database.migrate(&V1).await.unwrap();
    let error = database.migrate(&V1_EDITED).await.unwrap_err();
    assert!(
        matches!(error, SqlError::MigrationEdited { version: 1 }),
        "{error:?}"
    );
}

async fn a_step_of_which_nobody_said_what_it_does_is_not_taken_for_harmless(database: Database) {
    database.migrate(&V2).await.unwrap();
    database
        .run("DELETE FROM sql_schema WHERE version = 2")
        .await
        .unwrap();
    let error = database.migrate(&V1).await.unwrap_err();
    assert!(
        matches!(error, SqlError::SchemaNewer { found: 2, known: 1 }),
        "{error:?}"
    );
    // Who knows the step says it again.
    database.migrate(&V2).await.unwrap();
    database.migrate(&V1).await.unwrap();
}

/// As sqlx's migrator leaves it, which earlier versions ran.
async fn a_database_that_an_earlier_version_of_this_crate_made_goes_on(database: Database) {
    let migrator = sqlx::migrate::Migrator::with_migrations(vec![sqlx::migrate::Migration::new(
        1,
        "links".into(),
        sqlx::migrate::MigrationType::Simple,
        sqlx::SqlSafeStr::into_sql_str(ONE.sql),
        false,
    )]);
    match &database {
        Database::Sqlite(folder, _) => {
            use sqlx::Connection;
            let url = format!("sqlite:{}", folder.path().join("test.db").display());
            let mut stranger = sqlx::SqliteConnection::connect(&url).await.unwrap();
            migrator.run_direct(None, &mut stranger, false).await.unwrap();
        }
        Database::Postgres(place) => {
            let mut stranger = place.stranger().await;
            let create = format!("CREATE SCHEMA {}", place.schema());
            stranger.execute(AssertSqlSafe(create)).await.unwrap();
            migrator.run_direct(None, &mut stranger, false).await.unwrap();
        }
    }
    assert_eq!(database.version().await, 1);
    assert!(database.pending(&V1).await.unwrap().is_empty());
    database.migrate(&V1).await.unwrap();
    database.migrate(&V2).await.unwrap();
    database.migrate(&V1).await.unwrap();
    database
        .run("INSERT INTO link VALUES ('kept', 'url', 'target')")
        .await
        .unwrap();
}
