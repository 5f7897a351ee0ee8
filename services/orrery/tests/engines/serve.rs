//! What a user of two gateways sees.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::fleet::{EngineUrls, Fleet};
use crate::engines::client::Api;

/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_one_gateway_is_seen_at_the_other() {
    let Some(engines) = EngineUrls::shared("what_is_done_at_one_gateway_is_seen_at_the_other") else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let fleet = Fleet::start(&engines).await;
    let token = fleet.token("acme").await;
    let [here, there] = fleet
        .gateways
        .each_ref()
        .map(|gateway| Api::new(&gateway.url(), &token));

    // An alias that was asked for at the other one a moment before is not remembered as missing there.
    assert_eq!(there.follow("rust").await, (StatusCode::NOT_FOUND, None));
    let link = json!({ "url": "https://example.com/first", "alias": "rust" });
    let made = here
        .send(Method::POST, "/v1/links", Some(&link), Some("k1"))
        .await;
    assert_eq!(made.0, StatusCode::CREATED, "{}", made.1);
    let first = Some("https://example.com/first".to_owned());
    assert_eq!(there.follow("rust").await, (StatusCode::FOUND, first));

    // The same request again, at the other gateway and so in another process, has the same answer.
    let again = there
        .send(Method::POST, "/v1/links", Some(&link), Some("k1"))
        .await;
    assert_eq!(again, made);
    let refused = there
        .send(Method::POST, "/v1/links", Some(&link), Some("k2"))
        .await;
    assert_eq!(
        (refused.0, refused.1["code"].as_str()),
        (StatusCode::CONFLICT, Some("alias_taken"))
    );

    let change = json!({ "url": "https://example.com/second" });
    let changed = there
        .send(Method::PATCH, "/v1/links/rust", Some(&change), None)
        .await;
    assert_eq!(changed.0, StatusCode::OK, "{}", changed.1);
    let second = Some("https://example.com/second".to_owned());
    // Within a second at the latest; the checkers of the longer tests hold it to that.
    eventually("the new target is followed", async || {
        here.follow("rust").await == (StatusCode::FOUND, second.clone())
    })
    .await;
    eventually("clicks are counted", async || {
        let (_, link) = here.send(Method::GET, "/v1/links/rust", None, None).await;
        link["clicks"].as_u64() >= Some(2)
    })
    .await;

    let deleted = here.send(Method::DELETE, "/v1/links/rust", None, None).await;
    assert_eq!((deleted.0, deleted.1), (StatusCode::NO_CONTENT, Value::Null));
    eventually("the link leads nowhere", async || {
        there.follow("rust").await == (StatusCode::NOT_FOUND, None)
    })
    .await;
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}
