//! Documents that are read whole, key sets among them.

use bytes::Bytes;
use client::{ClientError, ClientSettings, HttpKeys};
use http::{Response, StatusCode};
use identity::{FetchKeys, FetchKeysError, Jwks, SigningKey};

use crate::peer::{Peer, client, client_with, full, nobody};

async fn serving(status: StatusCode, body: impl Into<Bytes>) -> Peer {
    let body = body.into();
    Peer::start(move |_| {
        let mut response = Response::new(full(body.clone()));
        *response.status_mut() = status;
        std::future::ready(response)
    })
    .await
}

async fn fetch(peer: &Peer) -> Result<Jwks, FetchKeysError> {
    HttpKeys::new(client(), &peer.uri("/jwks.json").to_string())
        .unwrap()
        .fetch()
        .await
}

#[tokio::test]
async fn a_key_set_is_fetched() {
    let key = SigningKey::generate();
    let jwks = Jwks::of([&key]);
    let peer = serving(StatusCode::OK, serde_json::to_vec(&jwks).unwrap()).await;
    let fetched = fetch(&peer).await.unwrap();
    assert_eq!(
        serde_json::to_value(fetched).unwrap(),
        serde_json::to_value(jwks).unwrap()
    );
}

#[tokio::test]
async fn an_issuer_that_is_down_or_refuses_is_unreachable() {
    assert!(matches!(
        fetch(&nobody().await).await,
        Err(FetchKeysError::Unreachable(_))
    ));
    let peer = serving(StatusCode::SERVICE_UNAVAILABLE, "{}").await;
    assert!(matches!(fetch(&peer).await, Err(FetchKeysError::Unreachable(_))));
}

#[tokio::test]
async fn a_silent_issuer_is_given_up_on_when_the_setting_says() {
    let silent = Peer::start(|_| std::future::pending()).await;
    let client = client_with(ClientSettings {
        request_timeout_ms: 50,
        ..ClientSettings::default()
    });
    let keys = HttpKeys::new(client, &silent.uri("/jwks.json").to_string()).unwrap();
    assert!(matches!(keys.fetch().await, Err(FetchKeysError::Unreachable(_))));
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_unusable() {
    for body in ["<html>", "[]", "{\"keys\": 5}"] {
        let peer = serving(StatusCode::OK, body).await;
        assert!(
            matches!(fetch(&peer).await, Err(FetchKeysError::Unusable(_))),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_oversized_answer_is_not_read() {
    let peer = serving(
        StatusCode::OK,
        format!("{{\"keys\":[]}}{}", " ".repeat(2 * 1024 * 1024)),
    )
    .await;
    assert!(matches!(fetch(&peer).await, Err(FetchKeysError::Unusable(_))));
    let small = client_with(ClientSettings {
        response_bytes_max: 10,
        ..ClientSettings::default()
    });
    let error = small
        .get_json::<serde_json::Value>(&peer.uri("/"))
        .await
        .unwrap_err();
    assert_eq!(error, ClientError::TooLarge { bytes_max: 10 });
}

#[tokio::test]
async fn only_a_plain_http_uri_can_hold_keys() {
    for uri in ["https://issuer/jwks.json", "not a uri", "/jwks.json"] {
        assert!(
            matches!(HttpKeys::new(client(), uri), Err(ClientError::Address)),
            "{uri}"
        );
    }
}
