//! Keys over time, and tokens made on the command line.

use std::time::Duration;

use clock::SharedClock;
use issuer::{IssuerError, TokenRequest};
use testkit::http::get;

use crate::service::{NOW_MS, PUBLIC, Service, settings, telemetry};

fn ada(scopes: &[String]) -> TokenRequest<'_> {
    TokenRequest {
        tenant: "acme",
        user: "ada",
        scopes,
        lifetime_s: None,
    }
}

async fn mint(service: &Service) -> String {
    let clock: SharedClock = service.clock.clone();
    issuer::mint(&service.settings, &ada(&[]), &service.telemetry, &clock)
        .await
        .unwrap()
}

fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
    serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["kid"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_key_is_announced_before_it_signs_and_published_until_its_tokens_have_expired() {
    let service = Service::start().await;
    let published = async || service.keys().await.keys.len();
    let first = kid(&mint(&service).await);
    assert_eq!(published().await, 1);
    // Two minutes before its day is over the next key appears, and does not sign yet.
    service.clock.advance(Duration::from_mins(24 * 60 - 2));
    service
        .until("the next key is announced", async || published().await == 2)
        .await;
    let late = mint(&service).await;
    assert_eq!(kid(&late), first);
    service.clock.advance(Duration::from_mins(2));
    let fresh = mint(&service).await;
    assert_ne!(kid(&fresh), first, "now the next key signs");
    service.verify(&fresh).await.unwrap();
    service
        .verify(&late)
        .await
        .expect("the old key is still published");
    service.clock.advance(Duration::from_mins(16));
    service
        .until("the old key is retired", async || published().await == 1)
        .await;
    assert!(service.keys().await.keys[0].kid.as_deref() == Some(kid(&fresh).as_str()));
}

#[tokio::test]
async fn rotating_by_hand_makes_one_key_that_waits_its_turn() {
    let service = Service::start().await;
    let clock: SharedClock = service.clock.clone();
    let rotate = async || {
        issuer::rotate(&service.settings, &service.telemetry, &clock)
            .await
            .unwrap()
    };
    let first = kid(&mint(&service).await);
    assert!(rotate().await);
    assert!(!rotate().await, "one waits already");
    assert_eq!(service.keys().await.keys.len(), 2);
    assert_eq!(kid(&mint(&service).await), first);
    service.clock.advance(Duration::from_mins(2));
    assert_ne!(kid(&mint(&service).await), first);
}

#[tokio::test]
async fn tokens_outlive_a_restart_and_carry_the_url_the_platform_last_ran_under() {
    let service = Service::start().await;
    let before = mint(&service).await;
    let (folder, clock, mut settings) = service.stop().await;
    // As `orrery token --data DIR` does it: no ports, no URL, nobody running.
    settings.public_url = None;
    let (telemetry, shared): (_, SharedClock) = (telemetry(&clock), clock.clone());
    let between = issuer::mint(&settings, &ada(&[]), &telemetry, &shared)
        .await
        .unwrap();
    settings.public_url = Some(PUBLIC.to_owned());
    let service = Service::start_on(folder, clock, settings).await;
    for token in [before, between] {
        let principal = service.verify(&token).await.unwrap();
        assert!(principal.may("links:read") && principal.may("links:write"));
    }
}

#[tokio::test]
async fn the_very_first_token_needs_no_platform() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock::ManualClock::at(NOW_MS);
    let (telemetry, shared): (_, SharedClock) = (telemetry(&clock), clock.clone());
    let settings = issuer::Settings {
        public_url: None,
        ..settings(folder.path())
    };
    let token = issuer::mint(&settings, &ada(&["links:read".to_owned()]), &telemetry, &shared)
        .await
        .unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(claims["iss"], "http://127.0.0.1:8080");
    assert_eq!(claims["scope"], "links:read");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        900
    );
    assert_eq!(claims["iat"], shared.unix_ms() / 1_000);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let service = Service::start().await;
    mint(&service).await;
    for entry in std::fs::read_dir(service.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} is {mode:o}", entry.file_name());
    }
}

#[tokio::test]
async fn a_token_that_may_not_be_is_refused_with_the_reason() {
    let service = Service::start().await;
    let clock: SharedClock = service.clock.clone();
    let refused = async |request: TokenRequest<'_>| {
        issuer::mint(&service.settings, &request, &service.telemetry, &clock)
            .await
            .unwrap_err()
    };
    let error = refused(TokenRequest {
        tenant: "a b",
        ..ada(&[])
    })
    .await;
    assert!(matches!(error, IssuerError::Name(_)) && error.to_string().contains("tenant"));
    let error = refused(TokenRequest {
        lifetime_s: Some(901),
        ..ada(&[])
    })
    .await;
    assert!(error.to_string().contains("15 minutes"), "{error}");
    let error = refused(ada(&["bad scope".to_owned()])).await;
    assert!(error.to_string().contains("scope"), "{error}");
}

#[tokio::test]
async fn many_first_tokens_at_once_share_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock::ManualClock::at(NOW_MS);
    let settings = settings(folder.path());
    let minting: Vec<_> = (0..8)
        .map(|_| {
            let (settings, clock) = (settings.clone(), clock.clone());
            tokio::spawn(async move {
                let (telemetry, shared): (_, SharedClock) = (telemetry(&clock), clock.clone());
                issuer::mint(&settings, &ada(&[]), &telemetry, &shared)
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut kids = std::collections::BTreeSet::new();
    for token in minting {
        kids.insert(kid(&token.await.unwrap()));
    }
    assert_eq!(kids.len(), 1);
}

#[tokio::test]
async fn sign_ins_and_keys_are_counted() {
    let service = Service::start().await;
    service.exchange_code(&service.code().await).await;
    service.exchange_code("never-issued").await;
    let metrics = get(format!("{}/metrics", service.admin)).send().await.text();
    for line in [
        "issuer_codes_granted_total 1",
        "issuer_tokens_issued_total 1",
        "issuer_tokens_refused_total{error=\"invalid_grant\"} 1",
        "issuer_signing_keys_made_total 1",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line}\n{metrics}");
    }
}
