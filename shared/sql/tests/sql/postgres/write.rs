//! What a transaction promises while the network is sound.

use std::sync::atomic::{AtomicU32, Ordering};

use sql::{Postgres, PostgresSettings, SqlError, scoped};
use sqlx::{Connection, Executor};

use super::{Place, claim, connect, holder, settings};

#[derive(Debug, thiserror::Error)]
enum DomainError {
    #[error("taken")]
    Taken,
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// The way a store uses it: a boxed future behind a port, spawned.
#[async_trait::async_trait]
trait Store: Send + Sync {
    async fn claim_all(&self, alias: &str, tags: &[String]) -> Result<usize, DomainError>;
}

#[async_trait::async_trait]
impl Store for Postgres {
    async fn claim_all(&self, alias: &str, tags: &[String]) -> Result<usize, DomainError> {
        self.write("claim_all", |tx| {
            scoped(async move {
                for tag in tags {
                    let query = sqlx::query("INSERT INTO claim VALUES ($1, 1) ON CONFLICT DO NOTHING")
                        .bind(format!("{alias}-{tag}"));
                    let done = query.execute(&mut *tx).await.map_err(SqlError::from)?;
                    if done.rows_affected() == 0 {
                        return Err(DomainError::Taken);
                    }
                }
                Ok(tags.len())
            })
        })
        .await
    }
}

#[tokio::test]
async fn an_error_of_the_body_rolls_everything_back_and_the_next_write_goes_through() {
    let Some(place) = Place::new("postgres body error").await else {
        return;
    };
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(place.sql.clone());
    let tags = ["a", "b", "a"].map(str::to_owned);
    let refused = tokio::spawn({
        let (store, tags) = (std::sync::Arc::clone(&store), tags.clone());
        async move { store.claim_all("x", &tags).await }
    });
    assert!(matches!(refused.await.unwrap(), Err(DomainError::Taken)));
    assert_eq!(place.claims().await, 0);
    assert_eq!(store.claim_all("x", &tags[..2]).await.unwrap(), 2);
    assert_eq!(place.claims().await, 2);
}

#[tokio::test]
async fn a_body_that_goes_on_after_a_failed_statement_is_not_told_that_its_write_stands() {
    let Some(place) = Place::new("postgres swallowed error").await else {
        return;
    };
    let outcome: Result<(), SqlError> = place
        .sql
        .write("swallows", |tx| {
            scoped(async move {
                tx.execute("INSERT INTO claim VALUES ('half', 1)").await?;
                let _ = tx.execute("INSERT INTO claim VALUES ('half', 2)").await;
                Ok(())
            })
        })
        .await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, SqlError::Unexpected(_)), "{error:?}");
    assert_eq!(place.claims().await, 0);
}

#[tokio::test]
async fn a_savepoint_of_the_body_is_its_own_business() {
    let Some(place) = Place::new("postgres savepoint").await else {
        return;
    };
    place
        .sql
        .write("nested", |tx| {
            scoped(async move {
                tx.execute("INSERT INTO claim VALUES ('kept', 1)").await?;
                let mut inner = tx.begin().await?;
                inner.execute("INSERT INTO claim VALUES ('dropped', 1)").await?;
                drop(inner);
                Ok::<_, SqlError>(())
            })
        })
        .await
        .unwrap();
    assert_eq!(holder(&place.sql, "kept").await.unwrap(), Some(1));
    assert_eq!(holder(&place.sql, "dropped").await.unwrap(), None);
}

#[tokio::test]
async fn a_panic_in_the_body_and_a_caller_that_goes_away_leave_nothing_half_done() {
    let one = PostgresSettings {
        writers_max: 1,
        ..settings()
    };
    let Some(place) = Place::with("postgres cancelled", one).await else {
        return;
    };
    let (began, mut has_begun) = tokio::sync::mpsc::channel(1);
    for panics in [true, false] {
        let (sql, began) = (place.sql.clone(), began.clone());
        let task = tokio::spawn(async move {
            sql.write("endless", |tx| {
                let began = began.clone();
                scoped(async move {
                    tx.execute("INSERT INTO claim VALUES ('half', 1)").await?;
                    began.send(()).await.unwrap();
                    assert!(!panics, "planted");
                    std::future::pending::<Result<(), SqlError>>().await
                })
            })
            .await
        });
        has_begun.recv().await.unwrap();
        task.abort();
        task.await.unwrap_err();
    }
    // The same row, on the only connection there may be: neither its lock nor its seat was left behind.
    assert!(claim(&place.sql, "half", 2).await.unwrap());
    assert_eq!(holder(&place.sql, "half").await.unwrap(), Some(2));
}

#[tokio::test]
async fn constraints_are_told_apart_and_one_that_waits_for_the_commit_leaves_nothing_unknown() {
    let Some(place) = Place::new("postgres constraints").await else {
        return;
    };
    for (insert, unique) in [
        ("INSERT INTO claim VALUES ('a', 1), ('a', 2)", true),
        ("INSERT INTO pet VALUES (1, 99)", false),
        ("INSERT INTO claim VALUES ('a', NULL)", false),
    ] {
        let outcome: Result<(), SqlError> = place
            .sql
            .write("refused", |tx| {
                scoped(async move { Ok(tx.execute(insert).await.map(drop)?) })
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, SqlError::Constraint { unique: found, .. } if *found == unique),
            "{insert}: {error:?}"
        );
        assert!(!error.retryable());
    }
}

#[tokio::test]
async fn a_body_past_the_deadline_is_rolled_back_and_may_be_tried_again() {
    let short = PostgresSettings {
        write_deadline_ms: 1_000,
        read_deadline_ms: 1_000,
        writers_max: 1,
        ..settings()
    };
    let Some(place) = Place::with("postgres deadline", short).await else {
        return;
    };
    let runs = AtomicU32::new(0);
    let outcome: Result<(), SqlError> = place
        .sql
        .write("sleeps", |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            scoped(async move {
                tx.execute("INSERT INTO claim VALUES ('half', 1)").await?;
                Ok(tx.execute("SELECT pg_sleep(60)").await.map(drop)?)
            })
        })
        .await;
    let error = outcome.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("sql_deadline", true));
    assert_eq!(runs.into_inner(), 1);
    let asleep = place
        .sql
        .read("sleeps", |conn| {
            scoped(async move { Ok::<_, SqlError>(conn.execute("SELECT pg_sleep(60)").await.map(drop)?) })
        })
        .await;
    assert_eq!(asleep.unwrap_err().code(), "sql_deadline");
    assert!(claim(&place.sql, "half", 2).await.unwrap());
}

/// The server's own timeout ends with the last statement: a commit goes on, though nobody waits for it any more.
#[tokio::test]
async fn a_commit_past_the_deadline_is_unknown_and_repeating_it_under_its_key_settles_it() {
    let short = PostgresSettings {
        write_deadline_ms: 1_000,
        lock_timeout_ms: 10_000,
        ..settings()
    };
    let Some(place) = Place::with("postgres slow commit", short).await else {
        return;
    };
    let slow = "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON claim DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION linger();";
    let mut stranger = place.stranger().await;
    sqlx::raw_sql(slow).execute(&mut stranger).await.unwrap();
    let error = claim(&place.sql, "slow", 1).await.unwrap_err();
    assert!(error.is_unknown() && !error.retryable(), "{error:?}");
    // Waits until that commit has ended.
    stranger.execute("DROP TRIGGER linger ON claim").await.unwrap();
    assert!(!claim(&place.sql, "slow", 2).await.unwrap());
    assert_eq!(holder(&place.sql, "slow").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let Some(place) = Place::new("postgres reader").await else {
        return;
    };
    let outcome: Result<(), SqlError> = place
        .sql
        .read("sneaky", |conn| {
            scoped(async move {
                let insert = conn.execute("INSERT INTO claim VALUES ('sneaky', 1)");
                Ok(insert.await.map(drop)?)
            })
        })
        .await;
    assert!(matches!(outcome, Err(SqlError::ReadOnly)), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_waits_for_the_disk_and_for_nothing_longer_than_the_settings() {
    let Some(place) = Place::new("postgres session").await else {
        return;
    };
    let told: (String, String, String, String, String) = place
        .sql
        .write("session", |tx| {
            scoped(async move {
                let query =
                    "SELECT current_setting('synchronous_commit'), current_setting('statement_timeout'),
                    current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
                    current_schemas(false)::text";
                Ok::<_, SqlError>(sqlx::query_as(query).fetch_one(tx).await?)
            })
        })
        .await
        .unwrap();
    let (durable, statement, lock, idle, path) = told;
    assert_eq!((&*durable, &*statement, &*lock, &*idle), ("on", "5s", "1s", "6s"));
    assert_eq!(path, format!("{{{}}}", place.schema));
}

#[tokio::test]
async fn more_than_the_seats_are_refused_in_time() {
    let one = PostgresSettings {
        writers_max: 1,
        acquire_timeout_ms: 300,
        ..settings()
    };
    let Some(place) = Place::with("postgres seats", one).await else {
        return;
    };
    let (release, mut released) = tokio::sync::mpsc::channel::<()>(1);
    let (began, mut has_begun) = tokio::sync::mpsc::channel(1);
    let sql = place.sql.clone();
    let holds = tokio::spawn(async move {
        let released = &tokio::sync::Mutex::new(&mut released);
        let began = &began;
        sql.write("holds", |_| {
            scoped(async move {
                began.send(()).await.unwrap();
                released.lock().await.recv().await;
                Ok::<_, SqlError>(())
            })
        })
        .await
    });
    has_begun.recv().await.unwrap();
    assert!(matches!(
        claim(&place.sql, "late", 1).await,
        Err(SqlError::Overloaded)
    ));
    // Readers have connections of their own.
    assert_eq!(holder(&place.sql, "late").await.unwrap(), None);
    release.send(()).await.unwrap();
    holds.await.unwrap().unwrap();
    assert!(claim(&place.sql, "late", 1).await.unwrap());
}

#[tokio::test]
async fn what_is_begun_after_closing_is_refused_and_no_connection_is_left() {
    let Some(place) = Place::new("postgres close").await else {
        return;
    };
    assert!(claim(&place.sql, "kept", 1).await.unwrap());
    place.sql.close().await;
    assert!(matches!(
        claim(&place.sql, "late", 1).await,
        Err(SqlError::Closed)
    ));
    assert!(matches!(holder(&place.sql, "late").await, Err(SqlError::Closed)));
    assert!(matches!(place.sql.probe().await, Err(SqlError::Closed)));
}

#[tokio::test]
async fn a_login_that_is_refused_says_so_without_the_password() {
    let Some(place) = Place::new("postgres login").await else {
        return;
    };
    let url = place.url.replace("orrery@", "nobody:hushhush@");
    let error = connect(&url, settings(), &crate::telemetry()).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("sql_denied", false));
    assert!(!format!("{error} {error:?}").contains("hushhush"), "{error}");
    let url = place.url.replace("/orrery", "/no_such_database");
    let error = connect(&url, settings(), &crate::telemetry()).await.unwrap_err();
    assert_eq!(error.code(), "sql_denied", "{error}");
}

#[tokio::test]
async fn a_url_that_is_wrong_is_no_refusal_of_the_server() {
    for (url, told) in [
        ("postgres://:hushhush@127.0.0.1/orrery", "names no user"),
        (
            "postgre://orrery:hushhush@127.0.0.1/orrery",
            "is no postgres: URL",
        ),
    ] {
        let error = connect(url, settings(), &crate::telemetry()).await.unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("sql_url", false));
        let text = error.to_string();
        assert!(text.starts_with(&format!("the database URL {told}")), "{text}");
        assert!(!format!("{error:?} {text}").contains("hushhush"), "{text}");
    }
}

#[tokio::test]
async fn operations_are_measured_by_name_and_outcome() {
    let Some(place) = Place::new("postgres metrics").await else {
        return;
    };
    assert!(claim(&place.sql, "a", 1).await.unwrap());
    let refused: Result<(), DomainError> = place
        .sql
        .write("bad", |_| scoped(async { Err(DomainError::Taken) }))
        .await;
    refused.unwrap_err();
    let absent: Result<(), DomainError> = place
        .sql
        .read("absent", |conn| {
            scoped(async move {
                let asked = conn
                    .execute("SELECT 1 FROM nowhere")
                    .await
                    .map_err(SqlError::from);
                asked.map(drop).map_err(|_| DomainError::Taken)
            })
        })
        .await;
    absent.unwrap_err();
    let text = place.metrics();
    let database = format!("orrery|{}", place.schema);
    for (operation, outcome) in [("claim", "ok"), ("bad", "refused"), ("absent", "sql_unexpected")] {
        let expected = format!(
            "db_client_operation_duration_seconds_count{{database=\"{database}\",operation=\"{operation}\",outcome=\"{outcome}\"}} 1"
        );
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
}
