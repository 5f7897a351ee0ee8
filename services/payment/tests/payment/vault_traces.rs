//! What was erased or rotated out stands in the database's files no more: looked for in the bytes of the files themselves.

use identity::Tenant;
use payment::store::Database;
use payment::store::vault::{self as rows, Traces, VaultStore};
use payment::vault::{Vault, VaultKey};
use sqlx::AssertSqlSafe;

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
    for fresh in Fresh::each("what_was_erased_or_rotated_out").await {
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
        assert_eq!(vault.overwrite_traces().await.unwrap(), Traces::Overwritten);
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

#[tokio::test]
async fn who_may_not_rewrite_the_tables_is_told_the_statement_and_it_stays_to_be_done() {
    for fresh in Fresh::each("who_may_not_rewrite_the_tables").await {
        let Some((base, schema)) = &fresh.schema else {
            continue;
        };
        let store = rows::open(&fresh.database);
        let vault = Vault::new(store.clone(), VaultKey::generate(), fresh.shared_clock());
        vault.seal(&acme(), "ada", NAME, b"Ada").await.unwrap();
        assert!(vault.erase(&acme(), "ada").await.unwrap());
        let login = format!("{schema}_login");
        for statement in [
            format!("CREATE ROLE {login} LOGIN"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {login}"),
            format!("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {login}"),
        ] {
            fresh.run_alone(AssertSqlSafe(statement)).await;
        }
        let url = format!(
            "{}?schema={schema}",
            base.replace("orrery@", &format!("{login}@"))
        );
        let other = fresh.connected(&url).await;
        let by_other = rows::open(&other);
        let refused = by_other.overwrite_traces().await.unwrap();
        let Traces::NotAllowed(statement) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            statement.contains(&format!("VACUUM (FULL) {schema}.vault_tenant_key, ")),
            "{statement}"
        );
        fresh.run_alone(AssertSqlSafe(statement)).await;
        other.close().await;
        assert_eq!(vault.overwrite_traces().await.unwrap(), Traces::Overwritten);
        fresh
            .run_alone(AssertSqlSafe(format!("DROP OWNED BY {login}")))
            .await;
        fresh.run_alone(AssertSqlSafe(format!("DROP ROLE {login}"))).await;
        fresh.remove().await;
    }
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
