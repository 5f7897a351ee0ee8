//! Opening, finding, changing and closing accounts.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Service, Setup, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_shown_renamed_and_found_in_the_list() {
    let service = Service::start().await;
    let body = json!({
        "id": "7", "currency": "EUR", "kind": "liability", "name": "Ada's wallet", "not_below_zero": true,
        "metadata": {"customer": "c-1"},
    });
    let made = service.post("/v1/accounts", body).await;
    assert_eq!(made.header("location"), Some("/v1/accounts/7"));
    assert_eq!(made.header("cache-control"), Some("private, no-store"));
    let made = made.expect(201);
    assert_eq!(made["kind"], "liability");
    assert_eq!(made["metadata"], json!({"customer": "c-1"}));
    assert_eq!(made["closed_at"], Value::Null);
    assert_eq!(service.get("/v1/accounts/7").await.expect(200), made);
    let change = json!({"name": null, "metadata": {}});
    let changed = service
        .send(Method::PATCH, "/v1/accounts/7", &change)
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["metadata"]),
        (&Value::Null, &json!({}))
    );
    assert_eq!(
        service.get("/v1/accounts").await.expect(200)["items"],
        json!([changed])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_id_an_account_gets_one_and_one_that_is_taken_is_refused() {
    let service = Service::start().await;
    let body = json!({"currency": "JPY", "kind": "asset"});
    let one = service.post("/v1/accounts", body.clone()).await.expect(201);
    let two = service.post("/v1/accounts", body).await.expect(201);
    assert_ne!(one["id"], two["id"]);
    let taken = json!({"id": one["id"], "currency": "JPY", "kind": "asset"});
    let refused = service.post("/v1/accounts", taken).await;
    assert_eq!(refused.problem(), (409, "id_taken".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_a_key_is_opened_once_and_without_a_key_it_needs_none() {
    let service = Service::start().await;
    let body = json!({"currency": "EUR", "kind": "asset"});
    let first = service.post_under("open-1", "/v1/accounts", &body).await;
    let again = service.post_under("open-1", "/v1/accounts", &body).await;
    assert!(!first.is_replay() && again.is_replay());
    assert_eq!(first.expect(201), again.expect(201));
    let other = json!({"currency": "USD", "kind": "asset"});
    let reused = service.post_under("open-1", "/v1/accounts", &other).await;
    assert_eq!(reused.problem(), (422, "idempotency_key_reused".to_owned()));
    let token = service.token("acme");
    let bare = service
        .send_under(&token, None, Method::POST, "/v1/accounts", &body)
        .await;
    bare.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_pages_by_id_and_is_narrowed_by_kind_and_currency() {
    let service = Service::start().await;
    for id in 1..=5 {
        service.open(id, "liability", "EUR").await;
    }
    service.open(6, "asset", "EUR").await;
    service.open(7, "asset", "USD").await;
    let (mut seen, mut path) = (Vec::new(), "/v1/accounts?kind=liability&limit=2".to_owned());
    loop {
        let page = service.get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/accounts?kind=liability&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
    let dollars = service.get("/v1/accounts?currency=USD").await.expect(200);
    assert_eq!(dollars["items"].as_array().unwrap().len(), 1);
    for query in [
        "kind=wallet",
        "currency=EURO",
        "limit=0",
        "limit=1000",
        "cursor=x",
        "colour=red",
    ] {
        let refused = service.get(&format!("/v1/accounts?{query}")).await;
        assert_eq!(refused.problem().0, 422, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_account_is_closed_and_nothing_is_posted_to_it_any_more() {
    let service = Service::start().await;
    service.open_books().await;
    let close = json!({"closed": true});
    let full = service.send(Method::PATCH, "/v1/accounts/1001", &close).await;
    assert_eq!(full.problem(), (409, "account_not_empty".to_owned()));
    let closed = service
        .send(Method::PATCH, "/v1/accounts/1002", &close)
        .await
        .expect(200);
    assert!(closed["closed_at"].is_string());
    let before = service.everything().await;
    let refused = service.post("/v1/transfers", transfer(1001, 1002, "1")).await;
    assert_eq!(refused.problem(), (422, "account_closed".to_owned()));
    assert_eq!(service.everything().await, before);
    let reopen = json!({"closed": false});
    let reopened = service.send(Method::PATCH, "/v1/accounts/1002", &reopen).await;
    assert_eq!(reopened.problem(), (422, "account_closed".to_owned()));
    let missing = service
        .send(Method::PATCH, "/v1/accounts/9", &json!({"name": "x"}))
        .await;
    assert_eq!(missing.problem(), (404, "not_found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_currencies_on_the_allow_list_are_accounts_of() {
    let setup = Setup::new().change(|settings| settings.limits.currencies = vec!["EUR".to_owned()]);
    let service = setup.start().await;
    service.open(1, "asset", "EUR").await;
    let refused = service
        .post("/v1/accounts", json!({"currency": "USD", "kind": "asset"}))
        .await;
    assert_eq!(refused.problem(), (422, "currency_not_allowed".to_owned()));
    assert_eq!(refused.pointers(), ["/currency"]);
}
