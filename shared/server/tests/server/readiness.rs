//! `/readyz` follows the engines; `/livez` does not.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::{Clock, ManualClock};
use server::Readiness;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::harness::{TestRole, connect, ended, read_reply, readiness, settings, until};

#[derive(Clone, Copy, PartialEq)]
enum Engine {
    Good,
    Cut,
    Stalled,
}

/// The schedule that services use. A loss or a recovery shows after at most one interval and one timeout.
const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(500);

fn probed(engine: &watch::Receiver<Engine>) -> Readiness {
    let engine = engine.clone();
    readiness().check("store", INTERVAL, TIMEOUT, move || probe(engine.clone()))
}

async fn probe(engine: watch::Receiver<Engine>) -> Result<(), String> {
    let now = *engine.borrow();
    match now {
        Engine::Good => Ok(()),
        Engine::Cut => Err("cut off".to_owned()),
        Engine::Stalled => std::future::pending().await,
    }
}

#[test]
fn the_promised_two_seconds_hold_by_arithmetic() {
    assert!(INTERVAL + TIMEOUT <= Duration::from_secs(1));
    assert!(
        2 * (INTERVAL + TIMEOUT) <= Duration::from_secs(2),
        "a probe that blocks its thread"
    );
}

#[tokio::test]
async fn readyz_follows_an_engine_that_is_cut_or_stalled_and_comes_back() {
    let (engine, seen) = watch::channel(Engine::Good);
    let role = TestRole::with_readiness(Router::new(), settings(), probed(&seen));
    role.until_readyz(200).await;
    for loss in [Engine::Cut, Engine::Stalled] {
        engine.send_replace(loss);
        let reply = role.until_readyz(503).await;
        let problem: problem::Document = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            (problem.code.as_str(), problem.errors[0].pointer.as_str()),
            ("not_ready", "/store")
        );
        assert_eq!(
            role.admin_get("/livez").await.status,
            200,
            "losing an engine is no reason to be restarted"
        );
        engine.send_replace(Engine::Good);
        role.until_readyz(200).await;
    }
}

#[tokio::test]
async fn what_a_role_can_do_without_is_told_by_readyz_and_does_not_refuse() {
    let (engine, seen) = watch::channel(Engine::Good);
    let readiness = readiness().degraded_by("cache", INTERVAL, TIMEOUT, move || probe(seen.clone()));
    let role = TestRole::with_readiness(Router::new(), settings(), readiness);
    let says = async |text: &str| {
        until(async || (role.until_readyz(200).await.text() == text).then_some(())).await;
    };
    says("ok\n").await;
    for (loss, told) in [
        (Engine::Cut, "cut off"),
        (Engine::Stalled, "no answer within 500 ms"),
    ] {
        engine.send_replace(loss);
        says(&format!("ok\ndegraded: cache: {told}\n")).await;
        engine.send_replace(Engine::Good);
        says("ok\n").await;
    }
}

#[tokio::test]
async fn a_role_is_not_ready_before_its_first_probe_has_answered() {
    let (engine, seen) = watch::channel(Engine::Stalled);
    let role = TestRole::with_readiness(Router::new(), settings(), probed(&seen));
    assert_eq!(role.admin_get("/readyz").await.status, 503);
    engine.send_replace(Engine::Good);
    role.until_readyz(200).await;
}

#[tokio::test]
async fn a_verdict_that_has_grown_old_is_no_verdict() {
    let clock = ManualClock::at(0);
    let (answered, probes) = watch::channel(0);
    let answered = Arc::new(answered);
    // The clock stands still, so only moving it can make the verdict old; the interval is too long to probe again.
    let check = Readiness::new(clock.clone()).check("store", Duration::from_hours(1), TIMEOUT, move || {
        let answered = Arc::clone(&answered);
        async move {
            answered.send_modify(|count| *count += 1);
            Ok(())
        }
    });
    let role = TestRole::with_readiness(Router::new(), settings(), check);
    role.until_readyz(200).await;
    assert_eq!(*probes.borrow(), 1);
    clock.advance(3 * Duration::from_hours(1));
    assert!(clock.monotonic() > Duration::ZERO);
    let reply = role.until_readyz(503).await;
    assert!(reply.text().contains("stopped answering"), "{}", reply.text());
}

#[tokio::test]
async fn a_probe_that_panics_does_not_take_the_others_with_it() {
    let (engine, seen) = watch::channel(Engine::Good);
    let readiness = probed(&seen).check("broken", INTERVAL, TIMEOUT, || async { panic!("a broken probe") });
    let role = TestRole::with_readiness(Router::new(), settings(), readiness);
    let pointers = async || -> Vec<String> {
        let reply = role.admin_get("/readyz").await;
        let problem: problem::Document = serde_json::from_slice(&reply.body).unwrap();
        problem.errors.into_iter().map(|error| error.pointer).collect()
    };
    until(async || (pointers().await == ["/broken"]).then_some(())).await;
    engine.send_replace(Engine::Cut);
    until(async || (pointers().await == ["/store", "/broken"]).then_some(())).await;
}

#[tokio::test]
async fn a_scraper_may_keep_its_connection_for_as_long_as_it_asks() {
    let role = TestRole::start(Router::new(), settings());
    let mut kept = connect(role.admin).await;
    let admin = role.admin;
    // Connections that say nothing, opened after it, are closed one after the other: so its time has passed twice.
    let time_passes = tokio::spawn(async move {
        for _ in 0..2 {
            assert!(ended(&mut connect(admin).await).await);
        }
    });
    let mut scrapes = 0;
    while !time_passes.is_finished() || scrapes < 2 {
        kept.write_all(b"GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n")
            .await
            .unwrap();
        let reply = read_reply(&mut kept, true).await.expect("is still served");
        assert_eq!(reply.status, 200);
        scrapes += 1;
    }
    time_passes.await.unwrap();
}
