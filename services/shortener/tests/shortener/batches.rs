//! Many links at once.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, Setup};

const BATCHES: &str = "/v1/link-batches";

async fn batch(service: &Service, items: Value, key: Option<&str>) -> Answer {
    let authorization = format!("Bearer {}", service.token("acme"));
    let mut headers = vec![
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let body = json!({"items": items}).to_string();
    service.request(Method::POST, BATCHES, &headers, &body).await
}

fn statuses(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], index);
    }
    items
        .iter()
        .map(|item| item["status"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn each_row_has_its_own_outcome_and_what_was_made_leads_on_at_once() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "taken"}))
        .await;
    // Asked for before they are there.
    assert_eq!(service.get("/fresh").await.status, 404);
    let items = json!([
        {"url": "https://example.com/0", "alias": "fresh", "tags": ["a"], "title": "First"},
        {"url": "https://example.com/1", "alias": "taken"},
        {"url": "javascript:alert(1)"},
        {"url": "https://example.com/3"},
        {"url": "https://example.com/4", "alias": "fresh"},
        {"url": "https://example.com/5", "colour": "red"},
        {"url": "https://example.com/6", "permanent": true, "max_clicks": 1},
        "nothing",
        {"url": "https://example.com/8", "password": "open sesame"},
    ]);
    let made = batch(&service, items, None).await;
    assert_eq!(statuses(&made), [201, 409, 422, 201, 409, 422, 422, 422, 201]);
    let rows = made.json()["items"].clone();
    assert_eq!(rows[1]["problem"]["code"], "alias_taken");
    assert_eq!(rows[2]["problem"]["errors"][0]["pointer"], "/url");
    assert_eq!(rows[6]["problem"]["errors"][0]["pointer"], "/max_clicks");
    let said = |index: usize| rows[index]["problem"]["detail"].as_str().unwrap();
    assert_eq!(rows[5]["problem"]["errors"][0]["pointer"], "/colour");
    assert!(
        said(5).starts_with("row 6: /colour: there is no such field"),
        "{}",
        said(5)
    );
    assert_eq!(said(7), "row 8: a row must be a JSON object");
    assert_eq!(said(1), "row 2: this alias is taken");
    assert!(rows[1]["link"].is_null() && rows[0]["problem"].is_null());
    assert_eq!(rows[0]["link"]["owner"], "ada");
    assert_eq!(rows[8]["link"]["has_password"], true);
    assert_eq!(
        service.get("/fresh").await.header("location"),
        Some("https://example.com/0")
    );
    let code = rows[3]["link"]["code"].as_str().unwrap();
    assert_eq!(
        service.get(&format!("/{code}")).await.header("location"),
        Some("https://example.com/3")
    );
    assert_eq!(
        service.metric("shortener_links_total{change=\"created\"}").await,
        4
    );
}

#[tokio::test]
async fn a_thousand_links_fit_and_one_more_does_not() {
    let service = Service::start().await;
    let item = |number: usize| json!({"url": format!("https://example.com/{number}/{}", "x".repeat(100))});
    let full: Vec<Value> = (0..1_000).map(item).collect();
    let made = batch(&service, full.clone().into(), None).await;
    assert_eq!(statuses(&made), vec![201; 1_000]);
    let rows = made.json()["items"].clone();
    let codes: std::collections::HashSet<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["link"]["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes.len(), 1_000);
    for items in [Value::Array([full, vec![item(1_000)]].concat()), json!([])] {
        let refused = batch(&service, items, None).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/items".to_owned()])
        );
    }
    let huge = json!([{"url": format!("https://example.com/{}", "x".repeat(5_000_000))}]);
    let refused = batch(&service, huge, None).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (413, "payload_too_large")
    );
    let single = json!({"url": format!("https://example.com/{}", "x".repeat(100_000))});
    let refused = service.send(Method::POST, "/v1/links", &single).await;
    assert_eq!(refused.status, 413, "only batches may be that large");
}

#[tokio::test]
async fn a_repeated_batch_answers_the_same_and_makes_what_was_missing() {
    let service = Service::start().await;
    let first = json!([{"url": "https://example.com/0"}, {"url": "https://example.com/1", "alias": "one"}, {"url": "no"}]);
    let made = batch(&service, first.clone(), Some("k")).await;
    assert_eq!(statuses(&made), [201, 201, 422]);
    let again = batch(&service, first, Some("k")).await;
    assert_eq!(statuses(&again), [201, 201, 422]);
    for index in 0..2 {
        let (before, after) = (&made.json()["items"][index], &again.json()["items"][index]);
        assert_eq!(
            (&before["replayed"], &after["replayed"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(before["link"], after["link"]);
    }
    // Mended and longer: rows that were made are told from those that are new.
    let mended = json!([
        {"url": "https://example.com/other"},
        {"url": "https://example.com/1", "alias": "one"},
        {"url": "https://example.com/2"},
        {"url": "https://example.com/3"},
    ]);
    let mended = batch(&service, mended, Some("k")).await;
    assert_eq!(statuses(&mended), [422, 201, 201, 201]);
    assert_eq!(
        mended.json()["items"][0]["problem"]["code"],
        "idempotency_key_reused"
    );
    let listed = service
        .send(Method::GET, "/v1/links?limit=100", &Value::Null)
        .await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn passwords_of_a_batch_are_limited_for_each_takes_time() {
    let service = Setup::new()
        .await
        .change(|settings| {
            settings.bulk.passwords_max = 2;
            settings.passwords.memory_kib = 64;
        })
        .start()
        .await;
    let item = json!({"url": "https://example.com/", "password": "open sesame"});
    let made = batch(
        &service,
        json!([item, item, item, {"url": "https://example.com/"}]),
        None,
    )
    .await;
    assert_eq!(statuses(&made), [201, 201, 422, 201]);
    assert_eq!(
        made.json()["items"][2]["problem"]["errors"][0]["pointer"],
        "/password"
    );
}

#[tokio::test]
async fn a_batch_needs_a_token_that_may_write() {
    let service = Service::start().await;
    let body = json!({"items": [{"url": "https://example.com/"}]});
    let reader = service.token_for("acme", "ada", "links:read");
    assert_eq!(
        service
            .send_as(&reader, Method::POST, BATCHES, &body)
            .await
            .status,
        403
    );
    let nobody = service
        .request(
            Method::POST,
            BATCHES,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
        .await;
    assert_eq!(nobody.status, 401);
}
