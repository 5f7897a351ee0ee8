//! What was erased or rotated out stands in the database's files no more: looked for in the bytes of the files themselves.

use identity::Tenant;
use payment::store::Database;
use payment::store::vault::{self as rows, Traces, VaultStore};
use payment::vault::{Vault, VaultKey};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::fresh_database::Fresh;

const NAME: &str = "payer";

/// Enough for several pages, so that rows were moved between them.
const PERSONS: usize = 400;

fn acme() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn person(number: usize) -> String {
    // Far from the order in which they come.
    format!("account/{:08}", number * 7_919 % 100_003)
}

/// All bytes of the files that the vault's tables are in, and have been in.
struct Files {
    former: Vec<String>,
}

impl Files {
    async fn of(fresh: &Fresh) -> Self {
        let former = match &fresh.database {
            Database::Sqlite(_) => Vec::new(),
            Database::Postgres(sql) => paths(sql).await,
        };
        Self { former }
    }

    async fn bytes(&self, fresh: &Fresh) -> Vec<u8> {
        let Database::Postgres(sql) = &fresh.database else {
            return fresh.everything().await;
        };
        let mut all: Vec<String> = self.former.clone();
        all.extend(paths(sql).await);
        fresh.run_alone("CHECKPOINT").await;
        let mut bytes = Vec::new();
        for path in all {
            let part: Option<Vec<u8>> = sql
                .read("test", |conn| {
                    let query = sqlx::query_scalar("SELECT pg_read_binary_file($1, 0, 1000000000, true)");
                    let query = query.bind(path.clone());
                    sql::scoped(async move { Ok::<_, sql::SqlError>(query.fetch_one(conn).await?) })
                })
                .await
                .unwrap();
            bytes.extend(part.unwrap_or_default());
        }
        bytes
    }
}

async fn paths(sql: &sql::Postgres) -> Vec<String> {
    sql.read("test", |conn| {
        sql::scoped(async move {
            let query = "SELECT pg_relation_filepath(name) FROM unnest(ARRAY['vault_tenant_key', 'vault_person', 'vault_record']::regclass[]) name";
            Ok::<_, sql::SqlError>(sqlx::query_scalar(query).fetch_all(conn).await?)
        })
    })
    .await
    .unwrap()
}

fn found(bytes: &[u8], secrets: &[Vec<u8>]) -> usize {
    // By their nonces: random, and always whole.
    let heads: std::collections::HashSet<&[u8]> = secrets.iter().map(|secret| &secret[..12]).collect();
    let seen: std::collections::HashSet<&[u8]> =
        bytes.windows(12).filter(|part| heads.contains(part)).collect();
    seen.len()
}

async fn wrapped(store: &dyn VaultStore, person: &str) -> Vec<u8> {
    let known = store.person(&acme(), person).await.unwrap().unwrap();
    known.wrapped.unwrap()
}

#[tokio::test]
async fn what_was_erased_or_rotated_out_stands_in_no_file_of_the_database() {
    for fresh in Fresh::each_alone("what_was_erased_or_rotated_out").await {
        let store = rows::open(&fresh.database);
        let vault = Vault::new(store.clone(), VaultKey::generate(), fresh.shared_clock());
        for number in 0..PERSONS {
            vault
                .seal(&acme(), &person(number), NAME, &[b'x'; 300])
                .await
                .unwrap();
        }
        assert_eq!(vault.overwrite_traces().await.unwrap(), Traces::None);
        let mut dropped: Vec<Vec<u8>> = Vec::new();
        for number in 0..PERSONS {
            dropped.push(wrapped(&*store, &person(number)).await);
        }
        dropped.push(store.tenant_keys(&acme()).await.unwrap()[0].wrapped.clone());
        vault.rotate(&acme()).await.unwrap().expect("it has a key");
        for number in (0..PERSONS).step_by(3) {
            let name = person(number);
            dropped.push(wrapped(&*store, &name).await);
            let record = store.record(&acme(), &name, NAME).await.unwrap().unwrap();
            dropped.push(record.sealed);
            assert!(vault.erase(&acme(), &name).await.unwrap());
        }
        let files = Files::of(&fresh).await;
        let before = found(&files.bytes(&fresh).await, &dropped);
        assert!(before > 100, "else this looks at no file: {before}");
        assert_eq!(overwritten(&vault).await, Traces::Overwritten);
        let bytes = files.bytes(&fresh).await;
        assert_eq!(found(&bytes, &dropped), 0, "of {}", dropped.len());
        let kept = [
            wrapped(&*store, &person(1)).await,
            wrapped(&*store, &person(2)).await,
        ];
        assert_eq!(found(&bytes, &kept), 2, "who was not erased is there");
        assert_eq!(
            vault.overwrite_traces().await.unwrap(),
            Traces::None,
            "once is enough"
        );
        fresh.remove().await;
    }
}

/// The schema by a login of its own, which may read and write, and whose name comes with it.
async fn by_a_login(fresh: &Fresh) -> (Database, String) {
    let (base, schema) = fresh.schema.as_ref().expect("on a server");
    let login = format!("{schema}_login");
    for statement in [
        format!("CREATE ROLE {login} LOGIN"),
        format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {login}"),
        format!("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {login}"),
    ] {
        fresh.run_alone(AssertSqlSafe(statement)).await;
    }
    let url = base.replace("orrery@", &format!("{login}@"));
    (fresh.connected(&format!("{url}?schema={schema}")).await, login)
}

async fn without_login(fresh: &Fresh, login: &str) {
    for statement in [
        format!("REASSIGN OWNED BY {login} TO orrery"),
        format!("DROP OWNED BY {login}"),
        format!("DROP ROLE {login}"),
    ] {
        fresh.run_alone(AssertSqlSafe(statement)).await;
    }
}

/// What came of it in the end: whoever writes elsewhere on the server may hold it up for a while.
async fn overwritten(vault: &Vault) -> Traces {
    for _ in 0..10 {
        match vault.overwrite_traces().await.unwrap() {
            Traces::Held => {}
            other => return other,
        }
    }
    Traces::Held
}

/// Until nobody on the server writes who began before now.
async fn until_elders_ended(fresh: &Fresh) {
    let (base, _) = fresh.schema.as_ref().expect("on a server");
    let mut connection = sqlx::PgConnection::connect(base).await.unwrap();
    let now = "SELECT pg_current_xact_id()::text::bigint";
    let now: i64 = sqlx::query_scalar(now).fetch_one(&mut connection).await.unwrap();
    let oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    let look = async {
        while sqlx::query_scalar::<_, i64>(oldest)
            .fetch_one(&mut connection)
            .await
            .unwrap()
            <= now
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, look)
        .await
        .expect("somebody writes for a minute");
}

/// A vault with Ada, erased.
async fn with_ada_erased(fresh: &Fresh) -> Vault {
    let vault = Vault::new(
        rows::open(&fresh.database),
        VaultKey::generate(),
        fresh.shared_clock(),
    );
    vault.seal(&acme(), "ada", NAME, b"Ada").await.unwrap();
    assert!(vault.erase(&acme(), "ada").await.unwrap());
    vault
}

/// The second of each: on a server, if there is one.
async fn on_a_server(case: &str) -> Option<Fresh> {
    Fresh::each_alone(case).await.into_iter().nth(1)
}

#[tokio::test]
async fn who_may_not_rewrite_the_tables_is_told_statements_that_settle_it() {
    let Some(fresh) = on_a_server("who_may_not_rewrite_the_tables").await else {
        return;
    };
    let vault = with_ada_erased(&fresh).await;
    let (other, login) = by_a_login(&fresh).await;
    let by_other = rows::open(&other);
    let told = async || match by_other.overwrite_traces().await.unwrap() {
        Traces::NotAllowed(statements) => <[String; 2]>::try_from(statements).unwrap(),
        refused => panic!("{refused:?}"),
    };
    let [rewrite, settle] = told().await;
    let (_, schema) = fresh.schema.as_ref().unwrap();
    assert!(
        rewrite.starts_with(&format!("VACUUM (FULL) {schema}.vault_tenant_key, ")),
        "{rewrite}"
    );
    fresh.run_alone(AssertSqlSafe(settle.clone())).await;
    assert_eq!(
        told().await,
        [rewrite.clone(), settle.clone()],
        "nothing was rewritten yet"
    );
    until_elders_ended(&fresh).await;
    fresh.run_alone(AssertSqlSafe(rewrite.clone())).await;
    fresh.run_alone(AssertSqlSafe(settle.clone())).await;
    assert_eq!(by_other.overwrite_traces().await.unwrap(), Traces::None);

    // Whoever is late says nothing of what was erased since.
    vault.seal(&acme(), "bob", NAME, b"Bob").await.unwrap();
    assert!(vault.erase(&acme(), "bob").await.unwrap());
    fresh.run_alone(AssertSqlSafe(rewrite)).await;
    fresh.run_alone(AssertSqlSafe(settle)).await;
    assert_eq!(overwritten(&vault).await, Traces::Overwritten);
    other.close().await;
    without_login(&fresh, &login).await;
    fresh.remove().await;
}

#[tokio::test]
async fn what_an_older_reader_may_still_read_is_not_said_to_be_overwritten() {
    let Some(fresh) = on_a_server("what_an_older_reader_may_still_read").await else {
        return;
    };
    let (base, schema) = fresh.schema.clone().unwrap();
    let (other, login) = by_a_login(&fresh).await;
    for table in ["vault_tenant_key", "vault_person", "vault_record"] {
        let give = format!("ALTER TABLE {schema}.{table} OWNER TO {login}");
        fresh.run_alone(AssertSqlSafe(give)).await;
    }
    let mut reader = sqlx::PgConnection::connect(&base).await.unwrap();
    // A snapshot, and no lock on any table.
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .execute(&mut reader)
        .await
        .unwrap();
    let vault = with_ada_erased(&fresh).await;
    assert_eq!(
        vault.overwrite_traces().await.unwrap(),
        Traces::Held,
        "seen among the sessions"
    );
    assert_eq!(
        rows::open(&other).overwrite_traces().await.unwrap(),
        Traces::Held,
        "by who owns no more than the tables, too"
    );
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    assert_eq!(overwritten(&vault).await, Traces::Overwritten);
    assert_eq!(vault.overwrite_traces().await.unwrap(), Traces::None);
    reader.close().await.unwrap();
    other.close().await;
    without_login(&fresh, &login).await;
    fresh.remove().await;
}

#[tokio::test]
async fn reads_go_on_beside_a_rewrite_that_waits_and_two_at_once_both_end() {
    let Some(fresh) = on_a_server("nobody_queues_behind_a_rewrite").await else {
        return;
    };
    let (base, schema) = fresh.schema.clone().unwrap();
    let vault = with_ada_erased(&fresh).await;
    vault.seal(&acme(), "bob", NAME, b"Bob").await.unwrap();
    let mut reader = sqlx::PgConnection::connect(&base).await.unwrap();
    let hold = format!("BEGIN; LOCK TABLE {schema}.vault_person IN ACCESS SHARE MODE");
    sqlx::raw_sql(AssertSqlSafe(hold))
        .execute(&mut reader)
        .await
        .unwrap();
    let rewriters =
        [vault.clone(), vault.clone()].map(|vault| tokio::spawn(async move { overwritten(&vault).await }));
    // Whoever asks meanwhile is answered.
    for _ in 0..50 {
        vault.open(&acme(), "bob", NAME).await.unwrap();
    }
    assert!(rewriters.iter().all(|rewriter| !rewriter.is_finished()));
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    for rewriter in rewriters {
        assert_eq!(rewriter.await.unwrap(), Traces::Overwritten);
    }
    assert_eq!(vault.overwrite_traces().await.unwrap(), Traces::None);
    reader.close().await.unwrap();
    fresh.remove().await;
}

#[tokio::test]
async fn a_log_that_somebody_still_reads_is_not_said_to_be_rid_of_it() {
    let fresh = Fresh::each("a_log_that_somebody_still_reads").await.remove(0);
    let Database::Sqlite(sql) = &fresh.database else {
        panic!("files come first");
    };
    let store = rows::open(&fresh.database);
    let vault = Vault::new(store.clone(), VaultKey::generate(), fresh.shared_clock());
    vault.seal(&acme(), "ada", NAME, b"Ada").await.unwrap();
    let key = wrapped(&*store, "ada").await;
    let mut reader = sql.readers().begin().await.unwrap();
    let _seen: Vec<i64> = sqlx::query_scalar("SELECT generation FROM vault_person")
        .fetch_all(&mut *reader)
        .await
        .unwrap();
    assert!(vault.erase(&acme(), "ada").await.unwrap());
    let refused = vault.overwrite_traces().await.unwrap_err();
    assert_eq!(refused.code(), "sql_busy", "{refused}");
    assert_eq!(found(&fresh.everything().await, std::slice::from_ref(&key)), 1);
    reader.rollback().await.unwrap();
    assert_eq!(vault.overwrite_traces().await.unwrap(), Traces::Overwritten);
    assert_eq!(found(&fresh.everything().await, &[key]), 0);
    fresh.remove().await;
}
