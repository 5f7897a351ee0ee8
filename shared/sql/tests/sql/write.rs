use std::sync::Arc;
use std::time::Duration;

use sql::{SqlError, SqliteSettings, scoped};
use sqlx::Executor;

use crate::{Home, claim, eventually, open, settings};

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
    async fn claim(&self, alias: &str, tags: &[String]) -> Result<usize, DomainError>;
}

#[async_trait::async_trait]
impl Store for sql::Sqlite {
    async fn claim(&self, alias: &str, tags: &[String]) -> Result<usize, DomainError> {
        self.write("claim", |tx| {
            scoped(async move {
                for tag in tags {
                    let name = format!("{alias}-{tag}");
                    let done =
                        sqlx::query("INSERT INTO claim (alias, owner) VALUES (?, 1) ON CONFLICT DO NOTHING")
                            .bind(name)
                            .execute(&mut *tx)
                            .await
                            .map_err(SqlError::from)?;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_racing_writers_exactly_one_wins() {
    let home = Home::new().await;
    let racers = (0..100).map(|racer| {
        let sql = home.sql.clone();
        tokio::spawn(async move { claim(&sql, "the-one", racer).await.unwrap() })
    });
    let mut winners = 0;
    for racer in racers.collect::<Vec<_>>() {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn an_error_of_the_body_rolls_everything_back_and_the_next_write_goes_through() {
    let home = Home::new().await;
    let store: Arc<dyn Store> = Arc::new(home.sql.clone());
    let tags = ["a", "b", "a"].map(str::to_owned);
    let refused = tokio::spawn({
        let (store, tags) = (Arc::clone(&store), tags.clone());
        async move { store.claim("x", &tags).await }
    });
    assert!(matches!(refused.await.unwrap(), Err(DomainError::Taken)));
    assert_eq!(home.claims().await, 0);
    assert_eq!(store.claim("x", &tags[..2]).await.unwrap(), 2);
    assert_eq!(home.claims().await, 2);
}

#[tokio::test]
async fn a_panic_in_the_body_rolls_back_and_the_next_write_goes_through() {
    let home = Home::new().await;
    let sql = home.sql.clone();
    let task = tokio::spawn(async move {
        sql.write("panics", |tx| {
            scoped(async move {
                sqlx::query("INSERT INTO claim VALUES ('half', 1)")
                    .execute(&mut *tx)
                    .await?;
                assert!(tx.execute("SELECT 1").await.is_err(), "planted");
                Ok::<_, SqlError>(())
            })
        })
        .await
    });
    assert!(task.await.unwrap_err().is_panic());
    assert!(claim(&home.sql, "next", 1).await.unwrap());
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_leaves_nothing_half_done() {
    let home = Home::new().await;
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let sql = home.sql.clone();
    let began = std::sync::Mutex::new(Some(began));
    let task = tokio::spawn(async move {
        sql.write("endless", |tx| {
            scoped(async move {
                sqlx::query("INSERT INTO claim VALUES ('half', 1)")
                    .execute(&mut *tx)
                    .await?;
                let began = began.lock().unwrap().take();
                began.unwrap().send(()).unwrap();
                std::future::pending::<()>().await;
                Ok::<_, SqlError>(())
            })
        })
        .await
    });
    has_begun.await.unwrap();
    task.abort();
    assert!(claim(&home.sql, "next", 1).await.unwrap());
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn a_body_past_the_deadline_is_rolled_back_and_may_be_tried_again() {
    let home = Home::with(SqliteSettings {
        write_deadline_ms: 1_000,
        ..settings()
    })
    .await;
    let outcome: Result<(), SqlError> = home
        .sql
        .write("endless", |tx| {
            scoped(async move {
                sqlx::query("INSERT INTO claim VALUES ('half', 1)")
                    .execute(&mut *tx)
                    .await?;
                std::future::pending().await
            })
        })
        .await;
    let error = outcome.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("sql_deadline", true));
    eventually("the next write goes through", async || {
        claim(&home.sql, "next", 1).await.is_ok()
    })
    .await;
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn a_lock_held_elsewhere_is_waited_for_then_reported_as_busy() {
    let home = Home::with(SqliteSettings {
        write_deadline_ms: 1_000,
        ..settings()
    })
    .await;
    let mut stranger = home.stranger().await;
    stranger.execute("BEGIN EXCLUSIVE").await.unwrap();
    let error = claim(&home.sql, "late", 1).await.unwrap_err();
    assert!(matches!(error, SqlError::Busy | SqlError::Deadline), "{error:?}");
    assert!(error.retryable());
    // Readers are not held up by a writer.
    assert_eq!(home.claims().await, 0);

    stranger.execute("ROLLBACK").await.unwrap();
    eventually("the lock is free again", async || {
        claim(&home.sql, "late", 1).await.is_ok()
    })
    .await;
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn a_write_that_began_while_the_lock_was_held_succeeds_once_it_is_free() {
    let home = Home::new().await;
    let mut stranger = home.stranger().await;
    stranger.execute("BEGIN EXCLUSIVE").await.unwrap();
    let sql = home.sql.clone();
    let waiting = tokio::spawn(async move { claim(&sql, "patient", 1).await });
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!waiting.is_finished());
    stranger.execute("COMMIT").await.unwrap();
    assert!(waiting.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_refused_commit_is_known_to_have_done_nothing() {
    let home = Home::new().await;
    let outcome: Result<(), SqlError> = home
        .sql
        .write("orphan", |tx| {
            scoped(async move {
                sqlx::query("INSERT INTO pet (id, owner) VALUES (1, 99)")
                    .execute(tx)
                    .await?;
                Ok(())
            })
        })
        .await;
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, SqlError::Constraint { unique: false, .. }),
        "{error:?}"
    );
    assert!(claim(&home.sql, "next", 1).await.unwrap());
}

#[tokio::test]
async fn a_duplicate_is_told_from_other_constraints() {
    let home = Home::new().await;
    assert!(claim(&home.sql, "twice", 1).await.unwrap());
    let outcome: Result<(), SqlError> = home
        .sql
        .write("duplicate", |tx| {
            scoped(async move {
                sqlx::query("INSERT INTO claim VALUES ('twice', 2)")
                    .execute(tx)
                    .await?;
                Ok(())
            })
        })
        .await;
    assert!(outcome.unwrap_err().is_unique_violation());
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let home = Home::new().await;
    let outcome: Result<(), SqlError> = home
        .sql
        .read("sneaky", |conn| {
            scoped(async move {
                sqlx::query("INSERT INTO claim VALUES ('sneaky', 1)")
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await;
    assert!(matches!(outcome, Err(SqlError::ReadOnly)), "{outcome:?}");
}

#[tokio::test]
async fn a_read_without_a_free_connection_is_refused_in_time() {
    let settings = SqliteSettings {
        readers_max: 1,
        acquire_timeout_ms: 500,
        ..settings()
    };
    let home = Home::with(settings).await;
    let held = home.sql.readers().acquire().await.unwrap();
    let outcome = home
        .sql
        .read("queued", |_| scoped(async move { Ok::<_, SqlError>(()) }))
        .await;
    assert!(matches!(outcome, Err(SqlError::Overloaded)), "{outcome:?}");
    drop(held);
    eventually("a connection is free again", async || {
        home.sql
            .read("queued", |_| scoped(async move { Ok::<_, SqlError>(()) }))
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_file_is_opened_durably() {
    let home = Home::new().await;
    let (journal, synchronous, foreign_keys): (String, i64, i64) = home
        .sql
        .write("pragmas", |tx| {
            scoped(async move {
                let journal = sqlx::query_scalar("PRAGMA journal_mode")
                    .fetch_one(&mut *tx)
                    .await?;
                let synchronous = sqlx::query_scalar("PRAGMA synchronous")
                    .fetch_one(&mut *tx)
                    .await?;
                let foreign_keys = sqlx::query_scalar("PRAGMA foreign_keys")
                    .fetch_one(&mut *tx)
                    .await?;
                Ok::<_, SqlError>((journal, synchronous, foreign_keys))
            })
        })
        .await
        .unwrap();
    assert_eq!((journal.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
}

#[tokio::test]
async fn a_read_past_its_deadline_is_given_up() {
    let home = Home::with(SqliteSettings {
        read_deadline_ms: 50,
        ..settings()
    })
    .await;
    let endless = home.sql.read("endless", |_| {
        scoped(std::future::pending::<Result<(), SqlError>>())
    });
    let error = endless.await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("sql_deadline", true));
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_and_its_log_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new().await;
    assert!(claim(&home.sql, "kept", 1).await.unwrap());
    for name in ["test.db", "test.db-wal", "test.db-shm"] {
        let mode = std::fs::metadata(home.folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_is_begun_after_closing_is_refused() {
    let home = Home::new().await;
    home.sql.close().await;
    assert!(matches!(claim(&home.sql, "late", 1).await, Err(SqlError::Closed)));
    assert!(matches!(home.sql.probe().await, Err(SqlError::Closed)));
    let read = home.sql.read("late", |_| scoped(async { Ok::<_, SqlError>(()) }));
    assert!(matches!(read.await, Err(SqlError::Closed)));
}

#[tokio::test]
async fn what_was_written_is_there_after_a_second_start() {
    let home = Home::new().await;
    assert!(claim(&home.sql, "kept", 1).await.unwrap());
    home.sql.close().await;
    let again = open(&home.file(), settings()).await.unwrap();
    assert!(!claim(&again, "kept", 2).await.unwrap());
}

#[tokio::test]
async fn operations_are_measured_by_name_and_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = crate::telemetry();
    let clock = clock::SystemClock::shared();
    let path = folder.path().join("links.db");
    let sql = sql::Sqlite::open(path, settings(), telemetry.clone(), clock.clone())
        .await
        .unwrap();
    let other = sql::Sqlite::open(
        folder.path().join("leases.db"),
        settings(),
        telemetry.clone(),
        clock,
    );
    let other = other.await.unwrap();
    sql.write("good", |_| scoped(async move { Ok::<_, SqlError>(()) }))
        .await
        .unwrap();
    other
        .write("good", |_| scoped(async move { Ok::<_, SqlError>(()) }))
        .await
        .unwrap();
    sql.write("bad", |_| scoped(async move { Err::<(), _>(DomainError::Taken) }))
        .await
        .unwrap_err();

    // The domain's error may say what it likes: the disk was full all the same.
    let full = sql.write("full", |tx| {
        scoped(async move {
            let fill = "PRAGMA max_page_count = 1; CREATE TABLE filler AS SELECT zeroblob(1000000)";
            let filled = sqlx::raw_sql(fill).execute(tx).await.map_err(SqlError::from);
            filled.map(drop).map_err(|_| DomainError::Taken)
        })
    });
    full.await.unwrap_err();
    let absent = sql.read("absent", |conn| {
        scoped(async move {
            let asked = sqlx::query("SELECT 1 FROM nowhere").execute(conn).await;
            Ok::<_, SqlError>(asked.map(drop)?)
        })
    });
    absent.await.unwrap_err();

    let (_, text) = telemetry.encode(None).unwrap();
    let text = String::from_utf8(text).unwrap();
    for expected in [
        r#"db_client_operation_duration_seconds_count{database="links",operation="good",outcome="ok"} 1"#,
        r#"db_client_operation_duration_seconds_count{database="links",operation="bad",outcome="refused"} 1"#,
        r#"db_client_operation_duration_seconds_count{database="leases",operation="good",outcome="ok"} 1"#,
        r#"db_client_operation_duration_seconds_count{database="links",operation="full",outcome="sql_full"} 1"#,
        r#"db_client_operation_duration_seconds_count{database="links",operation="absent",outcome="sql_unexpected"} 1"#,
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert_eq!(
        text.matches("# TYPE db_client_operation_duration_seconds")
            .count(),
        1,
        "{text}"
    );
}
