//! Who may do what, and that tenants do not see each other.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Service, transfer};

fn calls(transfer_id: &str, hold_id: &str) -> Vec<(Method, String, Value)> {
    let get = |path: String| (Method::GET, path, Value::Null);
    let mut calls = vec![
        (
            Method::PATCH,
            "/v1/accounts/1001".to_owned(),
            json!({"name": "mine"}),
        ),
        (
            Method::POST,
            format!("/v1/transfers/{transfer_id}/reversal"),
            json!({}),
        ),
        (Method::POST, format!("/v1/holds/{hold_id}/capture"), json!({})),
        (Method::POST, format!("/v1/holds/{hold_id}/void"), Value::Null),
        get(format!("/v1/transfers/{transfer_id}")),
        get(format!("/v1/holds/{hold_id}")),
    ];
    for part in [
        "",
        "/balance",
        "/balance?as_of=2026-01-01T00:00:00Z",
        "/entries",
        "/statement",
        "/statement?format=csv",
    ] {
        calls.push(get(format!("/v1/accounts/1001{part}")));
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_tenants_is_not_there_on_any_endpoint_and_nothing_moves() {
    let service = Service::start().await;
    service.open_books().await;
    let made = service
        .post("/v1/transfers", transfer(1001, 1002, "100"))
        .await
        .expect(201);
    let held = service
        .post("/v1/holds", transfer(1001, 1002, "100"))
        .await
        .expect(201);
    let before = service.everything().await;
    let (made, held) = (made["id"].as_str().unwrap(), held["id"].as_str().unwrap());
    let other = service.token("other");
    for (method, path, body) in calls(made, held) {
        let answer = service.send_as(&other, method.clone(), &path, &body).await;
        assert_eq!(answer.problem().0, 404, "{method} {path}");
        // And it is told like something that nobody has.
        let nobodys = path.replace(made, "9").replace(held, "9").replace("1001", "9");
        let unknown = service.send_as(&other, method.clone(), &nobodys, &body).await;
        assert_eq!(answer.problem(), unknown.problem(), "{method} {path}");
    }
    for path in ["/v1/transfers", "/v1/holds"] {
        let answer = service
            .send_as(&other, Method::POST, path, &transfer(1001, 1002, "1"))
            .await;
        assert_eq!(answer.problem(), (422, "account_not_found".to_owned()), "{path}");
    }
    for path in ["/v1/accounts", "/v1/holds", "/v1/holds?account_id=1001"] {
        let listed = service
            .send_as(&other, Method::GET, path, &Value::Null)
            .await
            .expect(200);
        assert_eq!(listed["items"], json!([]), "{path}");
    }
    let trial = service
        .send_as(&other, Method::GET, "/v1/trial-balance", &Value::Null)
        .await
        .expect(200);
    assert_eq!(trial["lines"], json!([]));
    assert_eq!(service.everything().await, before);
    // The same id is another account in another tenant.
    let own = json!({"id": "1001", "kind": "asset", "currency": "USD"});
    service
        .send_as(&other, Method::POST, "/v1/accounts", &own)
        .await
        .expect(201);
    assert_eq!(service.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_needs_a_good_token_with_its_scope() {
    let service = Service::start().await;
    service.open_books().await;
    let made = service
        .post("/v1/transfers", transfer(1001, 1002, "100"))
        .await
        .expect(201);
    let held = service
        .post("/v1/holds", transfer(1001, 1002, "100"))
        .await
        .expect(201);
    let (made, held) = (made["id"].as_str().unwrap(), held["id"].as_str().unwrap());
    let (reader, writer) = (
        service.token_for("acme", "ada", "ledger:read links:write payments:write"),
        service.token_for("acme", "ada", "ledger:write links:read payments:read"),
    );
    let get = |path: &str| (Method::GET, path.to_owned(), Value::Null);
    let mut all = calls(made, held);
    all.extend([
        (
            Method::POST,
            "/v1/accounts".to_owned(),
            json!({"kind": "asset", "currency": "EUR"}),
        ),
        (
            Method::POST,
            "/v1/transfers".to_owned(),
            transfer(1001, 1002, "1"),
        ),
        (
            Method::POST,
            "/v1/transfers/batch".to_owned(),
            json!({"transfers": [transfer(1001, 1002, "1")]}),
        ),
        (
            Method::POST,
            "/v1/transactions".to_owned(),
            json!({"postings": []}),
        ),
        (Method::POST, "/v1/holds".to_owned(), transfer(1001, 1002, "1")),
        get("/v1/accounts"),
        get("/v1/holds"),
        get("/v1/trial-balance"),
        get("/v1/ledger/chain"),
    ]);
    let before = service.everything().await;
    for (method, path, body) in all {
        let may_not = if method == Method::GET { &writer } else { &reader };
        let refused = service.send_as(may_not, method.clone(), &path, &body).await;
        assert_eq!(
            refused.problem(),
            (403, "insufficient_scope".to_owned()),
            "{method} {path}"
        );
        let json = [("content-type", "application/json"), ("idempotency-key", "k")];
        let anonymous = service
            .request(method.clone(), &path, &json, &body.to_string())
            .await;
        assert_eq!(anonymous.status, 401, "{method} {path}");
        let forged = service
            .send_as(&format!("{may_not}x"), method.clone(), &path, &body)
            .await;
        assert_eq!(forged.status, 401, "{method} {path}");
    }
    assert_eq!(service.everything().await, before);
}
