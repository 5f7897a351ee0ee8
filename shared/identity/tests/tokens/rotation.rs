//! Keys come and go, issuers fall over; who is asked how often.

use std::sync::Arc;
use std::time::Duration;

use identity::{SigningKey, VerifierSettings, VerifyError};

use crate::fixture::{World, ada, until};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn old_tokens_verify_until_their_key_is_retired() {
    let world = World::new();
    let (old, new) = (world.key.clone(), SigningKey::generate());
    let by_old = world.token();
    world.verifier.verify(&by_old).await.unwrap();
    world.issuer.publish([&old, &new]);
    world.clock.advance(MINUTE);
    let by_new = new.sign(&world.claims()).unwrap();
    assert_eq!(world.verifier.verify(&by_new).await, Ok(ada()));
    assert_eq!(
        world.verifier.verify(&by_old).await,
        Ok(ada()),
        "the old key is still published"
    );
    world.issuer.publish([&new]);
    world.clock.advance(MINUTE);
    // An aged set still answers while it is refreshed behind; then the old key is gone, remembered token or not.
    let fetches = world.issuer.fetches();
    world.verifier.verify(&by_new).await.unwrap();
    until("a refresh", || world.issuer.fetches() > fetches).await;
    tokio::task::yield_now().await;
    assert_eq!(world.verifier.verify(&by_old).await, Err(VerifyError::UnknownKey));
    assert_eq!(world.verifier.verify(&by_new).await, Ok(ada()));
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_at_most_once_an_interval() {
    let world = World::new();
    world.verifier.verify(&world.token()).await.unwrap();
    assert_eq!(world.issuer.fetches(), 1);
    let stranger = SigningKey::generate();
    for _ in 0..100 {
        let token = stranger
            .sign(&identity::Claims {
                jti: "x".into(),
                ..world.claims()
            })
            .unwrap();
        assert_eq!(world.verifier.verify(&token).await, Err(VerifyError::UnknownKey));
    }
    assert_eq!(world.issuer.fetches(), 1, "the last fetch was just now");
    world.clock.advance(Duration::from_secs(5));
    for _ in 0..100 {
        let token = stranger.sign(&world.claims()).unwrap();
        assert_eq!(world.verifier.verify(&token).await, Err(VerifyError::UnknownKey));
    }
    assert_eq!(world.issuer.fetches(), 2);
    world.issuer.publish([&world.key, &stranger]);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(
        world
            .verifier
            .verify(&stranger.sign(&world.claims()).unwrap())
            .await,
        Ok(ada())
    );
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn a_thousand_first_tokens_are_one_fetch() {
    let world = Arc::new(World::new());
    world.issuer.gate.forget_permits(1_000_000);
    let tasks: Vec<_> = (0..1_000)
        .map(|i| {
            let world = world.clone();
            let token = world
                .key
                .sign(&identity::Claims {
                    jti: i.to_string(),
                    ..world.claims()
                })
                .unwrap();
            tokio::spawn(async move { world.verifier.verify(&token).await })
        })
        .collect();
    until("the first fetch", || world.issuer.fetches() == 1).await;
    world.issuer.gate.add_permits(1_000);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(ada()));
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cancel_the_fetch_of_the_others() {
    let world = Arc::new(World::new());
    world.issuer.gate.forget_permits(1_000_000);
    let verify = |world: Arc<World>| async move { world.verifier.verify(&world.token()).await };
    let first = tokio::spawn(verify(world.clone()));
    until("the first fetch", || world.issuer.fetches() == 1).await;
    let second = tokio::spawn(verify(world.clone()));
    first.abort();
    world.issuer.gate.add_permits(1);
    assert_eq!(second.await.unwrap(), Ok(ada()));
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn with_the_issuer_down_the_last_good_keys_serve_for_the_stated_time() {
    let world = World::new();
    world.verifier.verify(&world.token()).await.unwrap();
    world.issuer.go_down();
    for _ in 0..59 {
        world.clock.advance(MINUTE);
        assert_eq!(world.verifier.verify(&world.token()).await, Ok(ada()));
    }
    world.clock.advance(MINUTE);
    assert_eq!(
        world.verifier.verify(&world.token()).await,
        Err(VerifyError::KeysUnavailable)
    );
    assert!(VerifyError::KeysUnavailable.retryable());
    world.issuer.publish([&world.key]);
    world.clock.advance(Duration::from_millis(250));
    assert_eq!(
        world.verifier.verify(&world.token()).await,
        Ok(ada()),
        "back at once"
    );
}

#[tokio::test]
async fn before_the_first_fetch_a_down_issuer_is_no_fault_of_the_token() {
    let world = World::new();
    world.issuer.go_down();
    for _ in 0..50 {
        assert_eq!(
            world.verifier.verify(&world.token()).await,
            Err(VerifyError::KeysUnavailable)
        );
    }
    assert_eq!(
        world.issuer.fetches(),
        1,
        "a failed fetch is not repeated by each request"
    );
    world.issuer.publish([&world.key]);
    world.clock.advance(Duration::from_millis(250));
    assert_eq!(world.verifier.verify(&world.token()).await, Ok(ada()));
}

#[tokio::test]
async fn a_stalled_issuer_is_given_up_on() {
    let world = World::with(VerifierSettings {
        fetch_timeout_ms: 20,
        ..VerifierSettings::default()
    });
    world.issuer.gate.forget_permits(1_000_000);
    assert_eq!(
        world.verifier.verify(&world.token()).await,
        Err(VerifyError::KeysUnavailable)
    );
}

#[tokio::test]
async fn an_issuer_that_lost_its_keys_logs_nobody_out() {
    let world = World::new();
    let token = world.token();
    world.verifier.verify(&token).await.unwrap();
    world.issuer.publish([]);
    world.clock.advance(MINUTE);
    let fetches = world.issuer.fetches();
    world.verifier.verify(&token).await.unwrap();
    until("a refresh", || world.issuer.fetches() > fetches).await;
    tokio::task::yield_now().await;
    assert_eq!(world.verifier.verify(&token).await, Ok(ada()));
}
