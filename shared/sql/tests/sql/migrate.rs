use sql::{Migration, SqlError};
use sqlx::Executor;

use crate::{CLAIMS, Home, SCHEMA, claim, open, settings};

static NEXT: [Migration; 2] = [
    CLAIMS,
    Migration::expand(2, "notes", "CREATE TABLE note (id INTEGER PRIMARY KEY);"),
];
static CONTRACTED: [Migration; 2] = [
    CLAIMS,
    Migration::contract(2, "no owners", "ALTER TABLE owner RENAME TO gone"),
];
static EDITED: [Migration; 1] = [Migration::expand(1, "claims", "CREATE TABLE other (id INTEGER);")];
static BROKEN: [Migration; 2] = [
    CLAIMS,
    Migration::expand(
        2,
        "broken",
        "CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1);",
    ),
];
static GAP: [Migration; 1] = [Migration::expand(2, "gap", "SELECT 1")];

#[tokio::test]
async fn migrating_twice_changes_nothing_and_a_new_step_is_added() {
    let home = Home::new().await;
    assert!(claim(&home.sql, "kept", 1).await.unwrap());
    home.sql.migrate(&SCHEMA).await.unwrap();
    assert_eq!(home.sql.pending(&NEXT).await.unwrap(), [2]);
    home.sql.migrate(&NEXT).await.unwrap();
    assert!(home.sql.pending(&NEXT).await.unwrap().is_empty());
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn a_file_from_which_a_newer_program_took_something_is_refused() {
    let home = Home::new().await;
    home.sql.migrate_contract(&CONTRACTED).await.unwrap();
    home.sql.close().await;
    let older = open(&home.file(), settings()).await.unwrap();
    let error = older.migrate(&SCHEMA).await.unwrap_err();
    assert!(
        matches!(error, SqlError::SchemaNewer { found: 2, known: 1 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_edited_step_is_refused() {
    let home = Home::new().await;
    let error = home.sql.migrate(&EDITED).await.unwrap_err();
    assert!(
        matches!(error, SqlError::MigrationEdited { version: 1 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_failed_step_leaves_the_file_as_it_was() {
    let home = Home::new().await;
    let error = home.sql.migrate(&BROKEN).await.unwrap_err();
    assert!(
        matches!(error, SqlError::MigrationFailed { version: 2, .. }),
        "{error:?}"
    );
    let half: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = 'half'")
        .fetch_optional(&mut home.stranger().await)
        .await
        .unwrap();
    assert_eq!(half, None);
    home.sql.migrate(&NEXT).await.unwrap();
}

#[tokio::test]
async fn a_list_with_a_gap_is_refused() {
    let home = Home::new().await;
    assert!(matches!(
        home.sql.migrate(&GAP).await,
        Err(SqlError::MigrationFailed { version: 0, .. })
    ));
}

#[tokio::test]
async fn verify_finds_rows_without_their_parent() {
    let home = Home::new().await;
    home.sql.verify().await.unwrap();
    let mut stranger = home.stranger().await;
    stranger.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    stranger
        .execute("INSERT INTO pet (id, owner) VALUES (1, 99)")
        .await
        .unwrap();
    let error = home.sql.verify().await.unwrap_err();
    assert!(
        matches!(&error, SqlError::Corrupt(what) if what.contains("pet -> owner")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let error = open(&path, settings()).await.unwrap_err();
    assert!(matches!(error, SqlError::Corrupt(_)), "{error:?}");
}

#[tokio::test]
async fn a_missing_folder_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("no/such/test.db"), settings())
        .await
        .unwrap_err();
    assert!(matches!(error, SqlError::Io(_)), "{error:?}");
}
