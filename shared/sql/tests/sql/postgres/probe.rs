//! Health is a true write.

use sql::SqlError;
use sqlx::{Connection, Executor, PgConnection};
use testkit::engines::{Kind, OwnEngine};

use super::{Place, SCHEMA, claim, settings};
use crate::eventually;

#[tokio::test]
async fn before_the_first_migration_nothing_is_healthy() {
    let Some(place) = Place::bare("postgres unmigrated", settings()).await else {
        return;
    };
    assert!(place.sql.probe().await.is_err());
    place.sql.migrate(&SCHEMA).await.unwrap();
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
}

#[tokio::test]
async fn a_stalled_health_row_is_noticed_and_so_is_its_end() {
    let Some(place) = Place::new("postgres stalled row").await else {
        return;
    };
    let mut stranger = place.stranger().await;
    stranger
        .execute("BEGIN; UPDATE sql_health SET beats = 0")
        .await
        .unwrap();
    for _ in 0..2 {
        let error = place.sql.probe().await.unwrap_err();
        assert!(matches!(error, SqlError::Busy | SqlError::Deadline), "{error:?}");
    }
    stranger.execute("ROLLBACK").await.unwrap();
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
    stranger.execute("TRUNCATE sql_health").await.unwrap();
    assert!(place.sql.probe().await.is_err());
}

#[tokio::test]
async fn a_standby_that_can_only_be_read_is_not_healthy_until_it_is_promoted() {
    let Some(mut engine) = OwnEngine::start(Kind::Postgres, "postgres standby").await else {
        return;
    };
    let place = Place::at(engine.url(), &engine.url(), settings()).await;
    place.sql.migrate(&SCHEMA).await.unwrap();
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
    let data: String = sqlx::query_scalar("SHOW data_directory")
        .fetch_one(&mut place.stranger().await)
        .await
        .unwrap();
    // Started with this file, a server replays what others send it, which is nothing, and answers reads meanwhile.
    std::fs::write(std::path::Path::new(&data).join("standby.signal"), "").unwrap();
    engine.restart().await;
    eventually("the standby refuses", async || {
        matches!(place.sql.probe().await, Err(SqlError::ReadOnly))
    })
    .await;
    let error = claim(&place.sql, "nowhere", 1).await.unwrap_err();
    assert!(matches!(error, SqlError::ReadOnly), "{error:?}");
    assert_eq!(place.claims().await, 0);

    let mut stranger = PgConnection::connect(&engine.url()).await.unwrap();
    stranger.execute("SELECT pg_promote()").await.unwrap();
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
    assert!(claim(&place.sql, "here", 1).await.unwrap());
}
