//! Who may ask.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use clock::SystemClock;
use identity::{FetchKeys, FetchKeysError, Jwks, Verifier, VerifierSettings};
use server::Authenticated;

use crate::harness::{Reply, TestRole, settings};

struct NoKeys;

#[async_trait]
impl FetchKeys for NoKeys {
    async fn fetch(&self) -> Result<Jwks, FetchKeysError> {
        Err(FetchKeysError::Unreachable("down".to_owned()))
    }
}

#[derive(Clone)]
struct App(Verifier);

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.0.clone()
    }
}

fn role() -> TestRole {
    let verifier = Verifier::new(
        VerifierSettings::default(),
        Arc::new(NoKeys),
        SystemClock::shared(),
    );
    let router = Router::new()
        .route(
            "/",
            get(async |caller: Authenticated| caller.0.user.as_str().to_owned()),
        )
        .with_state(App(verifier));
    TestRole::start(router, settings())
}

async fn ask(role: &TestRole, headers: &str) -> Reply {
    role.ask(&format!("GET / HTTP/1.1\r\nhost: t\r\n{headers}\r\n"))
        .await
}

#[tokio::test]
async fn without_a_bearer_token_the_answer_is_401_with_a_challenge() {
    let role = role();
    for headers in [
        "",
        "authorization: Basic dTpw\r\n",
        "authorization: Bearer\r\n",
        "authorization: Bearer \r\n",
        "authorization: Bearer a\r\nauthorization: Bearer b\r\n",
    ] {
        let reply = ask(&role, headers).await;
        assert_eq!(
            (reply.status, reply.problem().code.as_str()),
            (401, "unauthenticated"),
            "{headers:?}"
        );
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"orrery\""));
    }
}

#[tokio::test]
async fn a_malformed_token_is_401_and_says_so() {
    let reply = ask(&role(), "authorization: bearer abc\r\n").await;
    assert_eq!(
        (reply.status, reply.problem().code.as_str()),
        (401, "token_malformed")
    );
    assert!(
        reply
            .header("www-authenticate")
            .unwrap_or_default()
            .contains("invalid_token")
    );
}

#[tokio::test]
async fn without_the_issuers_keys_the_answer_is_503_and_not_401() {
    // {"alg":"EdDSA","kid":"k"} . {} . (no signature needed: the key comes first)
    let reply = ask(
        &role(),
        "authorization: Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.e30.AAAA\r\n",
    )
    .await;
    assert_eq!(
        (reply.status, reply.problem().code.as_str()),
        (503, "token_keys_unavailable")
    );
    assert!(reply.header("retry-after").is_some());
}
