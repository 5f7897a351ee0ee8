//! Several writers at once.

use std::sync::Arc;

use sql::{Postgres, PostgresSettings, SqlError, scoped};
use sqlx::Executor;
use tokio::sync::Barrier;

use super::{Place, claim, holder, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_racing_writers_on_two_handles_exactly_one_wins() {
    let Some(place) = Place::new("postgres race").await else {
        return;
    };
    let handles = [place.sql.clone(), place.another().await];
    let racers = (0..50_u8).map(|racer| {
        let sql = handles[usize::from(racer % 2)].clone();
        tokio::spawn(async move { claim(&sql, "the-one", i64::from(racer)).await.unwrap() })
    });
    let mut winners = 0;
    for racer in racers.collect::<Vec<_>>() {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(place.claims().await, 1);
}

/// Reads, then writes what it makes of it: wrong under READ COMMITTED, right when run again until nobody interfered.
async fn increment(sql: &Postgres) -> Result<(), SqlError> {
    sql.write_serializable("increment", |tx| {
        scoped(async move {
            let count: i64 = sqlx::query_scalar("SELECT owner FROM claim WHERE alias = 'count'")
                .fetch_one(&mut *tx)
                .await?;
            let write = sqlx::query("UPDATE claim SET owner = $1 WHERE alias = 'count'");
            write.bind(count + 1).execute(tx).await?;
            Ok(())
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serializable_writers_lose_no_update_and_their_retries_are_counted() {
    let long = PostgresSettings {
        write_deadline_ms: 60_000,
        ..settings()
    };
    let Some(place) = Place::with("postgres serializable", long).await else {
        return;
    };
    assert!(claim(&place.sql, "count", 0).await.unwrap());
    let writers = (0..4).map(|_| {
        let sql = place.sql.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                increment(&sql).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(holder(&place.sql, "count").await.unwrap(), Some(40));
    let text = place.metrics();
    assert!(text.contains("cause=\"serialization_failure\""), "{text}");
}

/// Two that lock the same rows in opposite orders; the second lock of each first try waits for the other's first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_in_a_deadlock_both_get_through() {
    let patient = PostgresSettings {
        lock_timeout_ms: 20_000,
        write_deadline_ms: 30_000,
        ..settings()
    };
    let Some(place) = Place::with("postgres deadlock", patient).await else {
        return;
    };
    for alias in ["a", "b"] {
        assert!(claim(&place.sql, alias, 0).await.unwrap());
    }
    let barrier = Arc::new(Barrier::new(2));
    let both = [["a", "b"], ["b", "a"]].map(|order| {
        let (sql, barrier) = (place.sql.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            let is_first = &std::sync::atomic::AtomicBool::new(true);
            let barrier = &barrier;
            sql.write("crossing", |tx| {
                scoped(async move {
                    let update = "UPDATE claim SET owner = owner + 1 WHERE alias = $1";
                    sqlx::query(update).bind(order[0]).execute(&mut *tx).await?;
                    if is_first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                        barrier.wait().await;
                    }
                    sqlx::query(update).bind(order[1]).execute(tx).await?;
                    Ok::<_, SqlError>(())
                })
            })
            .await
        })
    });
    for crossing in both {
        crossing.await.unwrap().unwrap();
    }
    for alias in ["a", "b"] {
        assert_eq!(holder(&place.sql, alias).await.unwrap(), Some(2));
    }
    let text = place.metrics();
    assert!(text.contains("cause=\"deadlock\""), "{text}");
}

#[tokio::test]
async fn a_lock_held_elsewhere_is_waited_for_then_reported_as_busy() {
    let short = PostgresSettings {
        lock_timeout_ms: 50,
        write_deadline_ms: 1_000,
        ..settings()
    };
    let Some(place) = Place::with("postgres lock", short).await else {
        return;
    };
    assert!(claim(&place.sql, "held", 1).await.unwrap());
    let mut stranger = place.stranger().await;
    stranger
        .execute("BEGIN; UPDATE claim SET owner = 2")
        .await
        .unwrap();
    let steal = |sql: Postgres| async move {
        sql.write("steal", |tx| {
            scoped(async move { Ok(tx.execute("UPDATE claim SET owner = 3").await.map(drop)?) })
        })
        .await
    };
    let error: SqlError = steal(place.sql.clone()).await.unwrap_err();
    assert!(matches!(error, SqlError::Busy | SqlError::Deadline), "{error:?}");
    assert!(error.retryable());
    // Readers are not held up by a writer.
    assert_eq!(holder(&place.sql, "held").await.unwrap(), Some(1));
    let text = place.metrics();
    assert!(text.contains("cause=\"lock_not_available\""), "{text}");
    stranger.execute("ROLLBACK").await.unwrap();
    steal(place.sql.clone()).await.unwrap();
    assert_eq!(holder(&place.sql, "held").await.unwrap(), Some(3));
}
