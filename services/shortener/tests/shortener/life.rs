//! Starting, stopping, and what stands in between.

use std::sync::Arc;

use config::Secret;
use http::Method;
use serde_json::{Value, json};
use shortener::RunError;

use crate::engines::{Folder, embedded_only};
use crate::harness::{Blocked, Service, Setup, eventually};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_links_key_and_counters() {
    let service = Service::start().await;
    let mut codes = std::collections::HashSet::new();
    for _ in 0..5 {
        codes.insert(service.make(json!({"url": "https://example.com/"})).await["code"].to_string());
    }
    let key_file = service.folder.path().join("shortener.key");
    let key = std::fs::read_to_string(&key_file).unwrap();
    let service = service.restart().await;
    assert_eq!(std::fs::read_to_string(&key_file).unwrap(), key);
    for code in &codes {
        assert_eq!(
            service.get(&format!("/{}", code.trim_matches('"'))).await.status,
            302
        );
    }
    for _ in 0..5 {
        assert!(codes.insert(service.make(json!({"url": "https://example.com/"})).await["code"].to_string()));
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_code_key_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let service = Service::start().await;
    let file = service.folder.path().join("shortener.key");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim().len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_or_a_missing_key_refuses_to_start_and_says_what_to_do() {
    let (folder, clock) = Service::start().await.stop().await;
    let again = || Setup::at(Arc::clone(&folder)).clock(clock.clone());
    let failure = again()
        .change(|settings| settings.code_key = Secret::new(KEY))
        .begin()
        .failure()
        .await;
    assert_eq!(failure.code(), "code_key_mismatch", "{failure}");
    assert!(failure.to_string().contains("restore the former key") && !failure.to_string().contains(KEY));

    let file = folder.path().join("shortener.key");
    std::fs::rename(&file, file.with_extension("away")).unwrap();
    let failure = again().begin().failure().await;
    assert_eq!(failure.code(), "code_key_missing", "{failure}");
    assert!(!file.exists(), "no new key in its place");
    std::fs::write(&file, "rubbish").unwrap();
    assert_eq!(again().begin().failure().await.code(), "code_key_file_invalid");
    std::fs::rename(file.with_extension("away"), &file).unwrap();
    again().start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_the_settings_makes_no_file() {
    let service = Setup::new()
        .await
        .change(|settings| settings.code_key = Secret::new(KEY))
        .start()
        .await;
    service.make(json!({"url": "https://example.com/"})).await;
    assert!(!service.folder.path().join("shortener.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_used_is_named() {
    let folder = Folder::fresh().await;
    let setup = || Setup::at(Arc::clone(&folder));
    let refused = async |setup: Setup| match setup.begin().failure().await {
        RunError::Setting(error) => error.setting,
        other => panic!("{other}"),
    };
    assert_eq!(
        refused(setup().change(|s| s.database_url = "mysql://db".into())).await,
        "database_url"
    );
    assert_eq!(
        refused(setup().change(|s| s.streams_url = "kafka://x".into())).await,
        "streams_url"
    );
    assert_eq!(
        refused(setup().change(|s| s.public_url = "sho.rt".into())).await,
        "public_url"
    );
    assert_eq!(
        refused(setup().change(|s| s.own_hosts = vec!["a b".into()])).await,
        "own_hosts"
    );
    assert_eq!(
        refused(setup().change(|s| s.idempotency_keep_ms = 1)).await,
        "idempotency_keep_ms"
    );
    let key = setup()
        .change(|s| s.code_key = Secret::new("short"))
        .begin()
        .failure()
        .await;
    assert_eq!(key.code(), "code_key_setting_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_while_an_engine_is_stalled_and_remembered_redirects_go_on() {
    if embedded_only("the stores are files that somebody locks") {
        return;
    }
    let setup = Setup::new()
        .await
        .change(|settings| settings.sqlite.write_deadline_ms = 500);
    let service = setup.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "remembered"}))
        .await;
    service.get("/remembered").await;
    let readyz = async || {
        let url = service.admin.clone();
        let answer = service.request_at(Method::GET, &format!("{url}/readyz")).await;
        (answer.status, answer.text().to_owned())
    };
    for (file, check) in [
        ("shortener.db", "store"),
        ("streams.db", "streams"),
        ("leases.db", "leases"),
    ] {
        let blocked = Blocked::new(service.folder.path().join(file)).await;
        eventually("it is not ready", async || {
            let (status, body) = readyz().await;
            status == 503 && body.contains(check)
        })
        .await;
        assert_eq!(service.get("/remembered").await.status, 302);
        if check == "store" {
            let refused = service
                .send(Method::POST, "/v1/links", &json!({"url": "https://example.com/"}))
                .await;
            assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
            assert!(refused.header("retry-after").is_some());
        }
        blocked.release().await;
        service.ready().await;
    }
    service.make(json!({"url": "https://example.com/"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_codes_are_no_sequence() {
    let service = Service::start().await;
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(
            service.make(json!({"url": "https://example.com/"})).await["code"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let mut sorted = codes.clone();
    sorted.sort();
    assert_ne!(codes, sorted);
    assert!(
        codes
            .iter()
            .map(|code| &code[..2])
            .collect::<std::collections::HashSet<_>>()
            .len()
            > 10,
        "{codes:?}"
    );
    assert_eq!(
        service
            .send(Method::GET, "/v1/links?limit=50", &Value::Null)
            .await
            .status,
        200
    );
}
