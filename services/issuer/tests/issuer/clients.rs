//! Machine clients: tokens for API keys over HTTP.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use issuer::{KeyRequest, NewKey};
use testkit::http::{Answer, get};

use crate::service::Service;

pub(crate) const EVERY: &[String] = &[];

pub(crate) fn request<'a>(tenant: &'a str, client: &'a str, scopes: &'a [String]) -> KeyRequest<'a> {
    KeyRequest {
        tenant,
        display_name: None,
        client,
        scopes,
        expires_days: None,
    }
}

pub(crate) async fn new_key(service: &Service) -> NewKey {
    let credentials = service.credentials().await;
    let made = credentials.create(&request("acme", "bot", EVERY)).await.unwrap();
    credentials.close().await;
    made
}

fn basic(id: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{key}")))
}

/// Asks as curl does with `-u`.
pub(crate) async fn ask(service: &Service, id: &str, key: &str) -> Answer {
    service
        .exchange_as(Some(&basic(id, key)), &[("grant_type", "client_credentials")])
        .await
}

pub(crate) async fn ask_with(service: &Service, made: &NewKey) -> Answer {
    ask(service, made.client.id.as_str(), &made.text).await
}

pub(crate) fn is_unauthenticated(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_client");
    assert!(answer.header("www-authenticate").starts_with("Basic "));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_client_gets_a_token_of_its_own_for_its_key_by_header_or_by_form() {
    let service = Service::start().await;
    let made = new_key(&service).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", made.client.id.as_str()),
        ("client_secret", made.text.as_str()),
    ];
    for answer in [ask_with(&service, &made).await, service.exchange(&form).await] {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = answer.json();
        assert_eq!(
            (&body["token_type"], &body["expires_in"]),
            (&"Bearer".into(), &900.into())
        );
        assert_eq!(body["scope"], "links:read links:write");
        assert!(body.get("id_token").is_none(), "there is no person");
        let principal = service
            .verify(body["access_token"].as_str().unwrap())
            .await
            .unwrap();
        assert_eq!(principal.tenant.as_str(), "acme");
        assert_eq!(principal.user, made.client.id);
        assert!(principal.may("links:read") && principal.may("links:write"));
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_expired_or_of_a_disabled_client_is_worthless_at_once() {
    let service = Service::start().await;
    let credentials = service.credentials().await;
    let revoked = new_key(&service).await;
    let expiring = KeyRequest {
        expires_days: Some(2),
        ..request("acme", "bot", EVERY)
    };
    let expiring = credentials.create(&expiring).await.unwrap();
    let kept = new_key(&service).await;
    let works = async |key: &NewKey| ask_with(&service, key).await.status == StatusCode::OK;
    assert!(works(&revoked).await && works(&expiring).await && works(&kept).await);

    credentials.revoke("acme", &revoked.id).await.unwrap();
    is_unauthenticated(&ask_with(&service, &revoked).await);
    assert!(works(&expiring).await, "the others go on");

    service
        .clock
        .advance(Duration::from_hours(48) - Duration::from_millis(1));
    assert!(works(&expiring).await);
    service.clock.advance(Duration::from_millis(1));
    is_unauthenticated(&ask_with(&service, &expiring).await);
    assert!(works(&kept).await);

    credentials.set_enabled("acme", "bot", false).await.unwrap();
    is_unauthenticated(&ask_with(&service, &kept).await);
    credentials.set_enabled("acme", "bot", true).await.unwrap();
    assert!(works(&kept).await);
    is_unauthenticated(&ask_with(&service, &revoked).await);
}

#[tokio::test]
async fn nobody_else_gets_a_token() {
    let service = Service::start().await;
    let (one, two) = (new_key(&service).await, new_key(&service).await);
    let other = service.credentials().await;
    let other = other.create(&request("globex", "bot", EVERY)).await.unwrap();
    let id = one.client.id.as_str();
    // The id of one key with the secret of another of the same client.
    let mixed = format!("{}{}", &one.text[..17], &two.text[17..]);
    let nearly = format!("{}A", &one.text[..one.text.len() - 1]);
    let nearly = if nearly == one.text {
        nearly.replace('A', "B")
    } else {
        nearly
    };
    for (id, key) in [
        (id, other.text.as_str()),
        (other.client.id.as_str(), &one.text),
        (id, &mixed),
        (id, &nearly),
        (id, &one.id),
        (id, ""),
        ("", &one.text),
        ("orrery-gateway", &one.text),
        (id, &format!("{}\u{0}", one.text)),
    ] {
        is_unauthenticated(&ask(&service, id, key).await);
    }
    let grant = [("grant_type", "client_credentials")];
    for header in [
        "",
        "Basic",
        "Basic !!!",
        "Basic bm8tY29sb24=",
        "Basic //79",
        "Bearer x",
    ] {
        is_unauthenticated(&service.exchange_as(Some(header), &grant).await);
    }
    is_unauthenticated(&service.exchange(&grant).await);
    let half = [("grant_type", "client_credentials"), ("client_id", id)];
    is_unauthenticated(&service.exchange(&half).await);
    assert_eq!(ask_with(&service, &one).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_proves_itself_once_and_under_one_name() {
    let service = Service::start().await;
    let made = new_key(&service).await;
    let id = made.client.id.as_str();
    let header = basic(id, &made.text);
    let ask = async |more: &[(&str, &str)]| {
        let fields = [&[("grant_type", "client_credentials")], more].concat();
        service.exchange_as(Some(&header), &fields).await
    };
    assert_eq!(ask(&[("client_id", id)]).await.status, StatusCode::OK);
    for twice in [("client_secret", made.text.as_str()), ("client_id", "oc_other")] {
        let refused = ask(&[twice]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.json()["error"], "invalid_request");
    }
}

#[tokio::test]
async fn a_client_may_ask_for_less_and_never_for_more() {
    let service = Service::start().await;
    let credentials = service.credentials().await;
    let read = ["links:read".to_owned()];
    let reader = credentials
        .create(&request("acme", "reader", &read))
        .await
        .unwrap();
    let writer = new_key(&service).await;
    let ask = async |made: &NewKey, scope: &str| {
        let fields = [("grant_type", "client_credentials"), ("scope", scope)];
        let header = basic(made.client.id.as_str(), &made.text);
        service.exchange_as(Some(&header), &fields).await
    };
    let answer = ask(&writer, "links:read").await;
    assert_eq!(answer.json()["scope"], "links:read");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert!(!service.verify(&token).await.unwrap().may("links:write"));
    for (made, scope) in [
        (&reader, "links:write"),
        (&reader, "links:read links:write"),
        (&writer, "openid"),
        (&writer, "a\"b"),
    ] {
        let refused = ask(made, scope).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{scope}");
        assert_eq!(refused.json()["error"], "invalid_scope");
    }
}

#[tokio::test]
async fn tokens_for_keys_and_refusals_are_counted() {
    let service = Service::start().await;
    let made = new_key(&service).await;
    ask_with(&service, &made).await;
    ask(&service, "nobody", &made.text).await;
    let metrics = get(format!("{}/metrics", service.admin)).send().await.text();
    for line in [
        "issuer_client_tokens_issued_total 1",
        "issuer_tokens_issued_total 0",
        "issuer_tokens_refused_total{error=\"invalid_client\"} 1",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains(&made.id), "no key is a label");
}

#[tokio::test]
async fn the_discovery_document_says_how_clients_prove_themselves() {
    let service = Service::start().await;
    let path = "/.well-known/openid-configuration";
    let document = service.get(path).await.unwrap().json();
    let lists = |name: &str, value: &str| document[name].as_array().unwrap().iter().any(|one| one == value);
    assert!(lists("grant_types_supported", "client_credentials"));
    assert!(lists(
        "token_endpoint_auth_methods_supported",
        "client_secret_basic"
    ));
    assert!(lists(
        "token_endpoint_auth_methods_supported",
        "client_secret_post"
    ));
}

#[tokio::test]
async fn a_database_without_its_keys_is_our_fault_and_no_client_is_called_unknown() {
    let service = Service::start().await;
    let made = new_key(&service).await;
    service.sql("ALTER TABLE api_key RENAME TO api_key_away").await;
    let answer = ask_with(&service, &made).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text().contains("api_key"), "{}", answer.text());
    service.sql("ALTER TABLE api_key_away RENAME TO api_key").await;
    assert_eq!(ask_with(&service, &made).await.status, StatusCode::OK);
}
