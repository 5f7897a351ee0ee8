//! The parts that most links do not have: kept, shown, changed, taken away; and refused where they do not go together.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service};

async fn post(service: &Service, body: Value) -> Answer {
    service.send(Method::POST, "/v1/links", &body).await
}

async fn patch(service: &Service, code: &str, body: Value) -> Answer {
    service
        .send(Method::PATCH, &format!("/v1/links/{code}"), &body)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_is_kept_shown_changed_and_taken_away() {
    let service = Service::start().await;
    let parts = json!({
        "title": "Spring sale", "notes": "ends\nwith the month", "archived": true,
        "active_from": "2026-12-24T18:00:00.000Z", "fallback_url": "https://example.com/over", "max_clicks": 7,
        "destinations": [
            {"countries": ["DE", "AT"], "devices": ["mobile"], "url": "https://example.com/de"},
            {"weight": 1, "url": "https://example.com/a"},
            {"weight": 3, "url": "https://example.com/b"},
        ],
    });
    let mut body = parts.clone();
    body["url"] = json!("https://example.com/");
    body["password"] = json!("sesame");
    let link = service.make(body).await;
    for (name, value) in parts.as_object().unwrap() {
        assert_eq!(&link[name], value, "{name}");
    }
    assert_eq!(
        (&link["has_password"], &link["owner"]),
        (&json!(true), &json!("ada"))
    );
    assert_eq!(link.get("password"), None, "it is never shown");
    assert_eq!(link["edge_cache_s"], Value::Null);
    let code = link["code"].as_str().unwrap();
    let path = format!("/v1/links/{code}");
    assert_eq!(service.send(Method::GET, &path, &Value::Null).await.json(), link);
    let listed = service.send(Method::GET, "/v1/links", &Value::Null).await.json();
    assert_eq!(listed["items"][0], link);

    let untouched = patch(&service, code, json!({})).await.json();
    assert_eq!(untouched, link, "what is left out stays");
    let bare = json!({
        "title": null, "notes": "", "archived": false, "active_from": null, "fallback_url": null, "max_clicks": null,
        "password": null, "destinations": [],
    });
    let changed = patch(&service, code, bare).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let changed = changed.json();
    for name in ["title", "notes", "active_from", "fallback_url", "max_clicks"] {
        assert_eq!(changed[name], Value::Null, "{name}");
    }
    assert_eq!(
        (&changed["archived"], &changed["has_password"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        (&changed["destinations"], &changed["owner"]),
        (&json!([]), &json!("ada"))
    );
    assert_eq!(service.get(&format!("/{code}")).await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_part_is_said_at_its_place() {
    let service = Service::start().await;
    let long = "x".repeat(201);
    for (name, value, pointer) in [
        ("title", json!(long), "/title"),
        ("title", json!("a\u{7}b"), "/title"),
        ("notes", json!("x".repeat(2_001)), "/notes"),
        ("active_from", json!("tomorrow"), "/active_from"),
        ("active_from", json!("2999-01-01T00:00:00Z"), "/active_from"),
        ("max_clicks", json!(0), "/max_clicks"),
        ("password", json!("abc"), "/password"),
        ("password", json!("x".repeat(129)), "/password"),
        ("password", json!("a\nbcdef"), "/password"),
        ("edge_cache_s", json!(0), "/edge_cache_s"),
        ("edge_cache_s", json!(86_401), "/edge_cache_s"),
        (
            "destinations",
            json!([{"url": "https://a.example/"}]),
            "/destinations/0",
        ),
        (
            "destinations",
            json!([{"weight": 0, "url": "https://a.example/"}]),
            "/destinations/0/weight",
        ),
        (
            "destinations",
            json!([{"weight": 1, "devices": ["mobile"], "url": "https://a.example/"}]),
            "/destinations/0/weight",
        ),
        (
            "destinations",
            json!([{"countries": ["DE", "Germany"], "url": "https://a.example/"}]),
            "/destinations/0/countries/1",
        ),
        (
            "destinations",
            json!([{"devices": ["fridge"], "url": "https://a.example/"}]),
            "/destinations/0/devices/0",
        ),
    ] {
        let answer = post(&service, json!({"url": "https://example.com/", name: value})).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (422, "invalid_request"),
            "{name}"
        );
        assert_eq!(answer.pointers(), [pointer]);
    }
    let many = vec![json!({"weight": 1, "url": "https://a.example/"}); 21];
    let answer = post(
        &service,
        json!({"url": "https://example.com/", "destinations": many}),
    )
    .await;
    assert_eq!(answer.pointers(), ["/destinations"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_url_of_a_link_keeps_to_the_same_rules() {
    let service = Service::start().await;
    for url in [
        "javascript:alert(1)",
        "http://sho.rt/abc",
        "https://user:secret@example.com/",
        "https://example.com/\r\nSet-Cookie: a=b",
        "//example.com",
        "x",
    ] {
        let body = json!({
            "url": url, "expires_at": "2030-01-01T00:00:00Z", "fallback_url": url,
            "destinations": [{"devices": ["mobile"], "url": url}, {"weight": 1, "url": url}],
        });
        let answer = post(&service, body.clone()).await;
        assert_eq!(answer.status, 422, "{url}");
        let everywhere = [
            "/url",
            "/fallback_url",
            "/destinations/0/url",
            "/destinations/1/url",
        ];
        assert_eq!(answer.pointers(), everywhere, "{url}");
        let link = service.make(json!({"url": "https://example.com/"})).await;
        let answer = patch(&service, link["code"].as_str().unwrap(), body).await;
        assert_eq!(answer.pointers(), everywhere, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_caching_would_break_is_refused_with_the_reason() {
    let service = Service::start().await;
    let gates = [
        ("active_from", json!("2026-12-24T18:00:00Z")),
        ("max_clicks", json!(3)),
        ("password", json!("sesame")),
        (
            "destinations",
            json!([{"weight": 1, "url": "https://a.example/"}]),
        ),
    ];
    for (name, value) in &gates {
        let body = json!({"url": "https://example.com/", "permanent": true, *name: value});
        let answer = post(&service, body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (422, vec![format!("/{name}")])
        );
        assert!(answer.text().contains("301"), "{}", answer.text());
        let body = json!({"url": "https://example.com/", "edge_cache_s": 60, *name: value});
        let answer = post(&service, body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (422, vec!["/edge_cache_s".to_owned()])
        );

        let link = service
            .make(json!({"url": "https://example.com/", *name: value}))
            .await;
        let code = link["code"].as_str().unwrap();
        for (other, wanted) in [("permanent", json!(true)), ("edge_cache_s", json!(60))] {
            let answer = patch(&service, code, json!({other: wanted})).await;
            assert_eq!(
                (answer.status, answer.pointers()),
                (422, vec![format!("/{other}")]),
                "{name}"
            );
            let off = if *name == "destinations" {
                json!([])
            } else {
                Value::Null
            };
            let together = patch(&service, code, json!({other: wanted, *name: off})).await;
            assert_eq!(together.status, 200, "{together:?}");
            let undo = if other == "permanent" {
                json!(false)
            } else {
                Value::Null
            };
            let back = patch(&service, code, json!({other: undo, *name: value})).await;
            assert_eq!(back.status, 200, "{back:?}");
        }
    }
    let alone = json!({"url": "https://example.com/", "fallback_url": "https://b.example/"});
    assert_eq!(post(&service, alone).await.pointers(), ["/fallback_url"]);
    let backwards = json!({
        "url": "https://example.com/", "active_from": "2030-01-02T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z",
    });
    assert_eq!(post(&service, backwards).await.pointers(), ["/active_from"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn campaign_parameters_are_put_into_the_url() {
    let service = Service::start().await;
    let utm = json!({"source": "news letter", "campaign": "ä&b", "term": ""});
    let link = service
        .make(json!({"url": "https://example.com/x?a=%20b&utm_source=old#top", "utm": utm}))
        .await;
    let expected = "https://example.com/x?a=%20b&utm_source=news%20letter&utm_campaign=%C3%A4%26b#top";
    assert_eq!(link["url"], expected);
    let code = link["code"].as_str().unwrap();
    assert_eq!(
        service.get(&format!("/{code}")).await.header("location"),
        Some(expected)
    );
    let changed = patch(&service, code, json!({"utm": {"medium": "mail"}}))
        .await
        .json();
    assert_eq!(
        changed["url"],
        "https://example.com/x?a=%20b&utm_source=news%20letter&utm_campaign=%C3%A4%26b&utm_medium=mail#top"
    );
    let long = json!({"url": "https://example.com/", "utm": {"content": "x".repeat(2_048)}});
    assert_eq!(
        post(&service, long).await.pointers(),
        ["/url"],
        "the limit is for the whole URL"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_another_password_is_another_request() {
    let service = Service::start().await;
    let make = async |password: &str| {
        let bearer = format!("Bearer {}", service.token("acme"));
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "with-password"),
        ];
        let body = json!({"url": "https://example.com/", "password": password}).to_string();
        service.request(Method::POST, "/v1/links", &headers, &body).await
    };
    let first = make("sesame").await;
    assert_eq!(first.status, 201, "{first:?}");
    let repeated = make("sesame").await;
    assert_eq!((repeated.status, repeated.json()), (201, first.json()));
    let other = make("simsim").await;
    assert_eq!(other.status, 422, "{other:?}");
}
