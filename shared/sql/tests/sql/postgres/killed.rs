//! A server that is killed while it is written to.

use testkit::engines::{Kind, OwnEngine};

use super::{Place, SCHEMA, claim, settings};
use crate::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_gone_after_a_kill_and_the_handle_recovers_by_itself() {
    let Some(mut engine) = OwnEngine::start(Kind::Postgres, "postgres killed").await else {
        return;
    };
    let place = Place::at(engine.url(), &engine.url(), settings()).await;
    place.sql.migrate(&SCHEMA).await.unwrap();

    let acknowledged = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writers = (0..4).map(|writer| {
        let (sql, stopped) = (place.sql.clone(), stopped.clone());
        let acknowledged = std::sync::Arc::clone(&acknowledged);
        tokio::spawn(async move {
            let mut number = 0;
            while !*stopped.borrow() {
                let alias = format!("{writer}-{number}");
                number += 1;
                match claim(&sql, &alias, 1).await {
                    Ok(true) => acknowledged.lock().unwrap().push(alias),
                    Ok(false) => panic!("{alias} was there"),
                    Err(error) => assert!(error.retryable() || error.is_unknown(), "{error:?}"),
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let count = || acknowledged.lock().unwrap().len();
    eventually("it is written to", async || count() > 50).await;
    engine.kill();
    eventually("the probe fails", async || place.sql.probe().await.is_err()).await;
    engine.restart().await;
    eventually("the probe succeeds", async || place.sql.probe().await.is_ok()).await;
    let before = count();
    eventually("it is written to again", async || count() > before + 50).await;
    stop.send(true).unwrap();
    for writer in writers {
        writer.await.unwrap();
    }

    let kept: Vec<String> = sqlx::query_scalar("SELECT alias FROM claim")
        .fetch_all(&mut place.stranger().await)
        .await
        .unwrap();
    let kept: std::collections::HashSet<_> = kept.into_iter().collect();
    for alias in &*acknowledged.lock().unwrap() {
        assert!(kept.contains(alias), "{alias} was acknowledged and is gone");
    }
}
