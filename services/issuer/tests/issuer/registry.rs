//! API keys as an operator makes, lists and revokes them, and the secret behind their hashes.

use issuer::{ClientLimits, IssuerError, KeyRequest};

use crate::clients::{EVERY, ask_with, new_key, request};
use crate::service::{Service, telemetry};

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_keyed_hash_is_kept() {
    let service = Service::start().await;
    let made = new_key(&service).await;
    let (visible, secret) = made.text.rsplit_once(&format!("{}_", made.id)).unwrap();
    assert_eq!((visible, secret.len()), ("ork_", 43));
    let listed = service.credentials().await.list("acme").await.unwrap();
    assert!(!format!("{made:?} {listed:?}").contains(secret));
    let (folder, ..) = service.stop().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{:?} holds the key", entry.file_name());
    }
}

#[tokio::test]
async fn keys_of_one_client_and_clients_of_one_tenant_stand_side_by_side() {
    let service = Service::start().await;
    let credentials = service.credentials().await;
    let named = KeyRequest {
        display_name: Some("Acme, Inc."),
        ..request("acme", "bot", EVERY)
    };
    let first = credentials.create(&named).await.unwrap();
    let second = credentials.create(&named).await.unwrap();
    assert_eq!(first.client, second.client);
    assert_ne!(first.id, second.id);
    let other = credentials
        .create(&request("acme", "other", EVERY))
        .await
        .unwrap();
    assert_ne!(other.client.id, first.client.id);
    let globex = credentials
        .create(&request("globex", "bot", EVERY))
        .await
        .unwrap();
    assert_ne!(globex.client.id, first.client.id);
    let ids: Vec<String> = credentials
        .list("acme")
        .await
        .unwrap()
        .into_iter()
        .map(|(key, _)| key.id)
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.contains(&first.id) && ids.contains(&second.id) && ids.contains(&other.id));
    let error = credentials.revoke("acme", &globex.id).await.unwrap_err();
    assert!(matches!(error, IssuerError::NoSuch("API key")), "{error}");
    credentials.revoke("globex", &globex.id).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason() {
    let service = Service::start_with(|settings| {
        settings.clients = ClientLimits {
            tenants_max: 1,
            clients_max: 1,
            api_keys_max: 2,
            ..ClientLimits::default()
        };
    })
    .await;
    let credentials = service.credentials().await;
    let (odd, known) = (["links:raed".to_owned()], ["links:read".to_owned()]);
    let good = request("acme", "bot", EVERY);
    let refused = async |request: KeyRequest<'_>| {
        let error = credentials.create(&request).await.unwrap_err();
        (error.code(), error.to_string())
    };
    let (code, text) = refused(request("a b", "bot", EVERY)).await;
    assert!(code == "invalid_name" && text.contains("tenant"), "{code} {text}");
    assert_eq!(refused(request("acme", "b/t", EVERY)).await.0, code);
    assert_eq!(refused(request("acme", "bot", &odd)).await.0, "unknown_scope");
    let no_life = KeyRequest {
        expires_days: Some(0),
        ..good.clone()
    };
    assert_eq!(refused(no_life).await.0, "key_without_life");
    for name in ["", "a\nb", &"x".repeat(201)] {
        let odd_name = KeyRequest {
            display_name: Some(name),
            ..good.clone()
        };
        assert_eq!(refused(odd_name).await.0, "display_name_invalid");
    }
    assert!(
        credentials.list("acme").await.unwrap().is_empty(),
        "nothing was made"
    );
    credentials.create(&good).await.unwrap();
    let (code, text) = refused(request("acme", "bot", &known)).await;
    assert!(
        code == "client_differs" && text.contains("links:write"),
        "{code} {text}"
    );
    for full in [request("globex", "bot", EVERY), request("acme", "second", EVERY)] {
        assert_eq!(refused(full).await.0, "limit_reached");
    }
    credentials.create(&good).await.unwrap();
    assert_eq!(refused(good.clone()).await.0, "limit_reached");
    credentials.set_enabled("acme", "bot", false).await.unwrap();
    assert_eq!(refused(good).await.0, "client_disabled");
    let error = credentials.set_enabled("acme", "nobody", true).await.unwrap_err();
    assert!(matches!(error, IssuerError::NoSuch("client")), "{error}");
}

#[tokio::test]
async fn a_lost_secret_is_told_at_start_until_its_keys_are_revoked() {
    let service = Service::start().await;
    let made = new_key(&service).await;
    let (folder, clock, settings) = service.stop().await;
    let file = folder.path().join("issuer.key");
    let telemetry = telemetry(&clock);
    let shared: clock::SharedClock = clock.clone();
    let credentials = issuer::Credentials::open(&settings, &telemetry, &shared)
        .await
        .unwrap();
    let refused = async || {
        let error = credentials
            .create(&request("acme", "bot", EVERY))
            .await
            .unwrap_err();
        (error.code(), error.to_string())
    };
    std::fs::rename(&file, folder.path().join("away")).unwrap();
    let (code, text) = refused().await;
    assert!(
        code == "api_key_secret_foreign" && text.contains("issuer.key"),
        "{code} {text}"
    );
    assert!(!file.exists(), "no other secret is made in its place");
    std::fs::write(&file, "0a".repeat(32)).unwrap();
    assert_eq!(refused().await.0, "api_key_secret_foreign");
    // The way on without it: its keys are revoked, and new ones made.
    credentials.revoke("acme", &made.id).await.unwrap();
    credentials.create(&request("acme", "bot", EVERY)).await.unwrap();
    credentials.close().await;
    let service = Service::start_on(folder, clock, settings).await;
    assert_eq!(
        ask_with(&service, &made).await.status,
        http::StatusCode::UNAUTHORIZED
    );
    let fresh = new_key(&service).await;
    assert_eq!(ask_with(&service, &fresh).await.status, http::StatusCode::OK);
}

#[tokio::test]
async fn a_secret_in_the_settings_goes_before_the_file() {
    let secret = "5c".repeat(32);
    let service = Service::start_with(|settings| {
        settings.api_key_secret = config::Secret::new(secret.clone());
    })
    .await;
    let made = new_key(&service).await;
    assert_eq!(ask_with(&service, &made).await.status, http::StatusCode::OK);
    assert!(!service.folder.path().join("issuer.key").exists());
    let mut settings = service.settings.clone();
    settings.api_key_secret = config::Secret::new("5c");
    let error = issuer::check(&settings).unwrap_err();
    assert_eq!(error.code(), "api_key_secret_setting_invalid");
    settings.api_key_secret = config::Secret::new(secret);
    issuer::check(&settings).unwrap();
}

#[tokio::test]
async fn a_key_hashed_with_another_process_secret_is_our_fault_and_not_the_clients() {
    let service = Service::start().await;
    let other = issuer::Settings {
        api_key_secret: config::Secret::new("77".repeat(32)),
        ..service.settings.clone()
    };
    let clock: clock::SharedClock = service.clock.clone();
    let credentials = issuer::Credentials::open(&other, &service.telemetry, &clock)
        .await
        .unwrap();
    let made = credentials.create(&request("acme", "bot", EVERY)).await.unwrap();
    let answer = ask_with(&service, &made).await;
    assert_eq!(
        answer.status,
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn keys_that_are_long_dead_leave_the_list() {
    let service = Service::start_with(|settings| settings.clients.dead_keys_kept_days = 3).await;
    let (made, kept) = (new_key(&service).await, new_key(&service).await);
    let credentials = service.credentials().await;
    credentials.revoke("acme", &made.id).await.unwrap();
    let listed = async || credentials.list("acme").await.unwrap().len();
    assert_eq!(listed().await, 2);
    service.clock.advance(std::time::Duration::from_hours(72));
    service
        .until("the revoked key is forgotten", async || listed().await == 1)
        .await;
    assert_eq!(credentials.list("acme").await.unwrap()[0].0.id, kept.id);
}
