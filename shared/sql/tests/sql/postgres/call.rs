//! One statement that is a transaction by itself.

use std::time::Duration;

use sql::{Postgres, PostgresSettings, SqlError, scoped};
use sqlx::Executor;

use super::{Place, settings};

async fn call(sql: &Postgres, statement: &'static str) -> Result<u64, SqlError> {
    sql.call("call", |conn| {
        scoped(async move {
            let query = sqlx::query(statement);
            query.execute(conn).await.map(|done| done.rows_affected())
        })
    })
    .await
}

#[tokio::test]
async fn a_call_stands_and_one_that_the_server_refuses_does_not() {
    let Some(place) = Place::new("a call stands").await else {
        return;
    };
    let insert = "INSERT INTO claim (alias, owner) VALUES ('a', 1), ('b', 2)";
    assert_eq!(call(&place.sql, insert).await.unwrap(), 2);
    assert_eq!(place.claims().await, 2);
    let half = call(
        &place.sql,
        "INSERT INTO claim (alias, owner) VALUES ('c', 1), ('a', 2)",
    )
    .await;
    assert!(half.unwrap_err().is_unique_violation());
    // Found at the commit only, which is the statement's own end.
    let orphan = call(&place.sql, "INSERT INTO pet (id, owner) VALUES (1, 7)").await;
    assert!(
        matches!(orphan, Err(SqlError::Constraint { unique: false, .. })),
        "{orphan:?}"
    );
    assert_eq!(place.claims().await, 2);
}

#[tokio::test]
async fn a_call_waits_for_a_lock_in_several_tries() {
    let impatient = PostgresSettings {
        lock_timeout_ms: 50,
        write_deadline_ms: 5_000,
        ..settings()
    };
    let Some(place) = Place::with("a call waits for a lock", impatient).await else {
        return;
    };
    let mut other = place.stranger().await;
    other
        .execute("BEGIN; LOCK TABLE claim IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let waiting = call(&place.sql, "INSERT INTO claim (alias, owner) VALUES ('a', 1)");
    let unlock = async {
        tokio::time::timeout(Duration::from_secs(5), async {
            while !place.metrics().contains("lock_not_available") {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        other.execute("COMMIT").await.unwrap();
    };
    let (stands, ()) = tokio::join!(waiting, unlock);
    assert_eq!(stands.unwrap(), 1);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_unknown() {
    let Some((place, proxy)) = Place::behind("a call whose answer is lost", settings()).await else {
        return;
    };
    assert_eq!(call(&place.sql, "DELETE FROM claim").await.unwrap(), 0);
    let mut other = place.stranger().await;
    other
        .execute("BEGIN; LOCK TABLE claim IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let lost = call(&place.sql, "INSERT INTO claim (alias, owner) VALUES ('lost', 1)");
    let cut = async {
        tokio::time::timeout(Duration::from_secs(5), async {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO claim (alias, owner) VALUES (''lost'', 1)'
                AND wait_event_type = 'Lock'";
            let mut watcher = place.stranger().await;
            while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut watcher).await.unwrap() == 0 {}
        })
        .await
        .unwrap();
        proxy.cut();
        other.execute("COMMIT").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(lost, cut);
    assert!(outcome.unwrap_err().is_unknown());
}
