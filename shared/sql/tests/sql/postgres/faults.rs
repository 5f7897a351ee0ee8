//! The network between a handle and its server fails in every way that a proxy can make it.

use std::time::Duration;

use sql::{PostgresSettings, SqlError, scoped};
use sqlx::Executor;

use super::{Place, claim, connect, holder, settings};
use crate::eventually;

/// As the protocol sends it; a BEGIN names READ COMMITTED.
const COMMIT: &[u8] = b"COMMIT\0";

/// One seat of each kind, so that a seat that is not given back is seen.
fn single() -> PostgresSettings {
    PostgresSettings {
        readers_max: 1,
        writers_max: 1,
        acquire_timeout_ms: 500,
        read_deadline_ms: 1_000,
        write_deadline_ms: 1_000,
        ..settings()
    }
}

async fn works_again(place: &Place, alias: &str) {
    eventually("a write goes through", async || {
        claim(&place.sql, alias, 9).await.is_ok()
    })
    .await;
    eventually("a read goes through", async || {
        matches!(holder(&place.sql, alias).await, Ok(Some(9)))
    })
    .await;
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
}

#[tokio::test]
async fn cut_before_the_commit_arrives_is_unknown_and_was_not_done() {
    let Some((place, proxy)) = Place::behind("postgres cut before commit", settings()).await else {
        return;
    };
    proxy.cut_before(COMMIT);
    let error = claim(&place.sql, "lost", 1).await.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    proxy.heal();
    assert_eq!(place.claims().await, 0);
    // Settled by repeating it.
    assert!(claim(&place.sql, "lost", 1).await.unwrap());
    works_again(&place, "next").await;
}

#[tokio::test]
async fn cut_after_the_commit_arrived_is_unknown_and_was_done() {
    let Some((place, proxy)) = Place::behind("postgres cut after commit", settings()).await else {
        return;
    };
    proxy.cut_after(COMMIT);
    let error = claim(&place.sql, "done", 1).await.unwrap_err();
    assert!(error.is_unknown() && !error.retryable(), "{error:?}");
    proxy.heal();
    // Settled by repeating it under the same key: it stands already.
    assert!(!claim(&place.sql, "done", 2).await.unwrap());
    assert_eq!(holder(&place.sql, "done").await.unwrap(), Some(1));
    works_again(&place, "next").await;
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_is_replaced_and_the_whole_transaction_run_again() {
    let patient = PostgresSettings {
        acquire_timeout_ms: 10_000,
        write_deadline_ms: 20_000,
        read_deadline_ms: 20_000,
        ..settings()
    };
    let Some((place, proxy)) = Place::behind("postgres lost in body", patient).await else {
        return;
    };
    proxy.cut_after(b"INSERT INTO claim");
    let sql = place.sql.clone();
    let writing = tokio::spawn(async move { claim(&sql, "again", 1).await });
    eventually("the connection is lost", async || proxy.is_cut()).await;
    proxy.heal();
    assert!(writing.await.unwrap().unwrap());
    assert_eq!(place.claims().await, 1);

    proxy.cut_after(b"SELECT owner");
    let sql = place.sql.clone();
    let reading = tokio::spawn(async move { holder(&sql, "again").await });
    eventually("the connection is lost", async || proxy.is_cut()).await;
    proxy.heal();
    assert_eq!(reading.await.unwrap().unwrap(), Some(1));
    let text = place.metrics();
    for operation in ["claim", "holder"] {
        let expected = format!("operation=\"{operation}\",cause=\"connection_lost\"");
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
}

#[tokio::test]
async fn connections_that_died_at_rest_are_replaced_unseen() {
    let Some((place, proxy)) = Place::behind("postgres died at rest", settings()).await else {
        return;
    };
    assert!(claim(&place.sql, "before", 1).await.unwrap());
    assert_eq!(holder(&place.sql, "before").await.unwrap(), Some(1));
    // On a busy machine a sound server may miss the probe's deadline.
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
    proxy.cut();
    eventually("the connections are closed", async || proxy.open() == 0).await;
    proxy.heal();
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
    assert!(claim(&place.sql, "after", 1).await.unwrap());
    assert_eq!(holder(&place.sql, "after").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_server_that_is_away_is_an_honest_error_until_it_is_back() {
    let Some((place, proxy)) = Place::behind("postgres away", single()).await else {
        return;
    };
    proxy.cut();
    for _ in 0..3 {
        let error = claim(&place.sql, "nobody", 1).await.unwrap_err();
        assert!(error.retryable(), "{error:?}");
        assert_eq!(error.code(), "sql_unreachable", "{error:?}");
        let error = holder(&place.sql, "nobody").await.unwrap_err();
        assert_eq!(error.code(), "sql_unreachable", "{error:?}");
        let error = place.sql.probe().await.unwrap_err();
        assert!(error.retryable(), "{error:?}");
    }
    proxy.heal();
    works_again(&place, "back").await;
    assert_eq!(place.claims().await, 1);
}

#[tokio::test]
async fn a_network_that_answers_nothing_costs_a_deadline_and_no_seat() {
    for half_open in [false, true] {
        let Some((place, proxy)) = Place::behind("postgres stalled", single()).await else {
            return;
        };
        works_again(&place, "before").await;
        if half_open {
            proxy.half_open();
        } else {
            proxy.stall();
        }
        for _ in 0..3 {
            let error = claim(&place.sql, "stalled", 1).await.unwrap_err();
            // Never unknown: the commit was not asked for, since nothing before it was answered.
            assert!(error.retryable(), "{error:?}");
            let error = holder(&place.sql, "stalled").await.unwrap_err();
            assert!(error.retryable(), "{error:?}");
            assert_eq!(place.sql.probe().await.unwrap_err().code(), "sql_deadline");
        }
        proxy.heal();
        works_again(&place, "back").await;
        assert_eq!(holder(&place.sql, "stalled").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_slow_or_narrow_network_only_takes_longer() {
    let Some((place, proxy)) = Place::behind("postgres slow", settings()).await else {
        return;
    };
    proxy.slow(Duration::from_millis(20));
    assert!(claim(&place.sql, "slow", 1).await.unwrap());
    proxy.throttle(20_000);
    assert!(claim(&place.sql, "narrow", 1).await.unwrap());
    assert_eq!(place.claims().await, 2);
}

#[tokio::test]
async fn a_start_without_a_server_is_an_error_within_its_deadline() {
    let Some((place, proxy)) = Place::behind("postgres start", settings()).await else {
        return;
    };
    let short = PostgresSettings {
        connect_timeout_ms: 300,
        ..settings()
    };
    let url = testkit::engines::Kind::Postgres.url_at(&[proxy.address()]);
    // In this order: a proxy that was cut is not listening again at once.
    proxy.stall();
    let error = connect(&url, short.clone(), &crate::telemetry())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "sql_deadline", "{error:?}");
    proxy.cut();
    let error = connect(&url, short, &crate::telemetry()).await.unwrap_err();
    assert_eq!(error.code(), "sql_unreachable", "{error:?}");
    drop(place);
}

#[tokio::test]
async fn a_session_that_the_server_ends_in_the_middle_is_run_again() {
    let Some(place) = Place::new("postgres ended session").await else {
        return;
    };
    let killer = &tokio::sync::Mutex::new(Some(place.stranger().await));
    place
        .sql
        .write("ended", |tx| {
            scoped(async move {
                let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .fetch_one(&mut *tx)
                    .await?;
                if let Some(mut killer) = killer.lock().await.take() {
                    let kill = sqlx::query("SELECT pg_terminate_backend($1, 5000)").bind(pid);
                    kill.execute(&mut killer).await?;
                }
                tx.execute("INSERT INTO claim VALUES ('once', 1)").await?;
                Ok::<_, SqlError>(())
            })
        })
        .await
        .unwrap();
    assert_eq!(place.claims().await, 1);
}
