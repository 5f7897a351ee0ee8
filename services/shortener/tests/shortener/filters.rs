//! Lists of some links only, and links that change hands.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Service, Setup};

/// The codes that a filter finds, all pages together, and how many pages there were.
async fn found(service: &Service, query: &str) -> (Vec<String>, usize) {
    let (mut codes, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/v1/links?{query}{cursor}");
        let page = service.send(Method::GET, &path, &Value::Null).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        pages += 1;
        for item in page["items"].as_array().unwrap() {
            codes.push(item["code"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (codes, pages),
        }
    }
}

#[tokio::test]
async fn a_list_shows_what_its_filter_wants() {
    let service = Service::start().await;
    let later = "2099-01-01T00:00:00Z";
    for body in [
        json!({"url": "https://example.com/Spring", "alias": "one", "tags": [" sale ", "eu"]}),
        json!({"url": "https://example.com/2", "alias": "two", "tags": ["sales"], "title": "SPRING sale"}),
        json!({"url": "https://example.com/3", "alias": "three", "notes": "for spring", "archived": true}),
        json!({"url": "https://example.com/4", "alias": "four", "expires_at": later, "fallback_url": "https://spring.example/"}),
        json!({"url": "https://example.com/5", "alias": "five", "destinations": [{"weight": 1, "url": "https://example.com/spring"}]}),
    ] {
        service.make(body).await;
    }
    let grace = service.token_for("acme", "grace", "links:write");
    let body = json!({"url": "https://example.com/6", "alias": "six-sale"});
    assert_eq!(
        service
            .send_as(&grace, Method::POST, "/v1/links", &body)
            .await
            .status,
        201
    );
    for (query, expected) in [
        ("tag=sale", vec!["one"]),
        ("tag=+sale", vec!["one"]),
        ("tag=Sale", vec![]),
        ("q=spring", vec!["five", "four", "three", "two", "one"]),
        ("q=SALE", vec!["six-sale", "two", "one"]),
        ("q=spring&archived=false", vec!["five", "four", "two", "one"]),
        ("archived=true", vec!["three"]),
        ("owner=grace", vec!["six-sale"]),
        ("owner=grace&tag=sale", vec![]),
        (
            "q=+&tag=",
            vec!["six-sale", "five", "four", "three", "two", "one"],
        ),
        ("q=spring&limit=2", vec!["five", "four", "three", "two", "one"]),
    ] {
        assert_eq!(found(&service, query).await.0, expected, "{query}");
    }
    for query in ["archived=maybe", "q=", "owner=a%20b", "limit=0&tag=x"] {
        let refused = service
            .send(Method::GET, &format!("/v1/links?{query}"), &Value::Null)
            .await;
        let expected = if query == "q=" { 200 } else { 422 };
        assert_eq!(refused.status, expected, "{query}");
    }
    for path in [
        "/v1/links?tags=sale",
        "/v1/link-exports?tags=sale",
        "/v1/links/one/stats?form=2026-01-01T00:00:00Z",
        "/v1/links/one/qr?sizes=512",
        "/v1/stats?form=2026-01-01T00:00:00Z",
        "/v1/stats/top?limits=5",
    ] {
        let refused = service.send(Method::GET, path, &Value::Null).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (422, "invalid_request")
        );
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains("the nearest is `"), "{path}: {said}");
    }
    let long = format!("/v1/links?q={}", "x".repeat(201));
    assert_eq!(service.send(Method::GET, &long, &Value::Null).await.status, 422);
    let other = service.token("globex");
    let foreign = service
        .send_as(&other, Method::GET, "/v1/links?q=spring", &Value::Null)
        .await;
    assert_eq!(foreign.json()["items"], json!([]));
}

#[tokio::test]
async fn a_filtered_list_looks_at_so_many_links_a_page_and_goes_on_where_it_was() {
    let service = Setup::new()
        .await
        .change(|settings| settings.bulk.scan_links_max = 10)
        .start()
        .await;
    let item = |number: usize| json!({"url": "https://example.com/", "alias": format!("link-{number:02}"), "tags": [format!("t{}", number % 15)]});
    let items: Vec<Value> = (0..45).map(item).collect();
    let made = service
        .send(Method::POST, "/v1/link-batches", &json!({"items": items}))
        .await;
    assert_eq!(made.status, 200);
    let (codes, pages) = found(&service, "tag=t3&limit=1").await;
    assert_eq!(codes, ["link-33", "link-18", "link-03"]);
    assert!(pages >= 5, "{pages} pages of at most ten links looked at");
    assert_eq!(found(&service, "tag=none").await.0, [""; 0]);
}

async fn transfer(service: &Service, body: Value) -> (u16, Value) {
    let answer = service.send(Method::POST, "/v1/link-transfers", &body).await;
    (answer.status, answer.json())
}

async fn owner(service: &Service, code: &str) -> Value {
    let path = format!("/v1/links/{code}");
    service.send(Method::GET, &path, &Value::Null).await.json()["owner"].clone()
}

#[tokio::test]
async fn links_change_hands_by_code_and_whoever_follows_them_notices_nothing() {
    let service = Service::start().await;
    for alias in ["one", "two", "three"] {
        service
            .make(json!({"url": "https://example.com/", "alias": alias}))
            .await;
    }
    let codes = json!(["one", "two", "one", "none", "no code"]);
    let (status, done) = transfer(&service, json!({"from": "ada", "to": "grace", "codes": codes})).await;
    assert_eq!(status, 200, "{done}");
    let rows: Vec<(&str, u64)> = done["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["code"].as_str().unwrap(), row["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        rows,
        [("one", 200), ("two", 200), ("none", 404), ("no code", 404)]
    );
    assert_eq!(owner(&service, "one").await, "grace");
    assert_eq!(owner(&service, "three").await, "ada");
    assert_eq!(service.get("/one").await.status, 302);
    // Again is as once; from who does not have it is refused.
    let (_, again) = transfer(&service, json!({"from": "ada", "to": "grace", "codes": ["one"]})).await;
    assert_eq!(again["items"][0]["status"], 200);
    let (_, wrong) = transfer(&service, json!({"from": "ada", "to": "alan", "codes": ["one"]})).await;
    assert_eq!(wrong["items"][0]["problem"]["code"], "owner_differs");
    let globex = service.token("globex");
    let body = json!({"from": "ada", "to": "eve", "codes": ["three"]});
    let foreign = service
        .send_as(&globex, Method::POST, "/v1/link-transfers", &body)
        .await;
    assert_eq!(foreign.json()["items"][0]["status"], 404);
    assert_eq!(owner(&service, "three").await, "ada");
}

#[tokio::test]
async fn all_links_of_a_user_change_hands_part_by_part() {
    let service = Setup::new()
        .await
        .change(|settings| settings.bulk.scan_links_max = 10)
        .start()
        .await;
    let items: Vec<Value> = (0..25).map(|_| json!({"url": "https://example.com/"})).collect();
    for user in ["ada", "alan"] {
        let token = service.token_for("acme", user, "links:write");
        let body = json!({"items": items});
        let made = service
            .send_as(&token, Method::POST, "/v1/link-batches", &body)
            .await;
        assert_eq!(made.status, 200);
    }
    let (mut handed, mut cursor) = (0, Value::Null);
    loop {
        let mut body = json!({"from": "ada", "to": "grace"});
        if !cursor.is_null() {
            body["cursor"] = cursor;
        }
        let (status, done) = transfer(&service, body).await;
        assert_eq!(status, 200);
        handed += done["items"].as_array().unwrap().len();
        cursor = done["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(handed, 25);
    assert_eq!(found(&service, "owner=grace&limit=100").await.0.len(), 25);
    assert_eq!(found(&service, "owner=ada").await.0.len(), 0);
    assert_eq!(found(&service, "owner=alan&limit=100").await.0.len(), 25);
    for body in [
        json!({"to": "grace"}),
        json!({"from": "ada"}),
        json!({"from": "a b", "to": "grace"}),
        json!({"from": "ada", "to": "grace", "codes": []}),
        json!({"from": "ada", "to": "grace", "codes": ["one"], "cursor": "AAAAAAAAAAA"}),
    ] {
        assert_eq!(transfer(&service, body.clone()).await.0, 422, "{body}");
    }
}
