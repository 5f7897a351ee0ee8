//! `GET /v1/links/{code}/stats`, `/v1/stats` and `/v1/stats/top`.

use http::Method;
use serde_json::{Value, json};

use super::no_query_is_taken;
use crate::harness::Service;

/// No range, whichever windows it is asked for in.
const NO_RANGES: &[&str] = &[
    "from=yesterday",
    "from=-1",
    "from=1795342830000",
    "from=",
    "to=2026-02-30T00:00:00Z",
    "to=99999-01-01T00:00:00Z",
    "to=9999-12-31T23:59:59Z",
    "from=1970-01-01T00:00:00Z&to=1970-01-01T01:00:00Z",
    "from=%FF",
    "from=2026-11-22T00:00:00+01:00",
    "from=2026-11-22T10:00:00Z&to=2026-11-21T10:00:00Z",
    "from=2026-11-22T10:00:00Z&to=2026-11-22T10:00:00Z",
    "from=2024-01-01T00:00:00Z&to=2026-11-01T00:00:00Z",
    "from=2026-11-20T00:00:00Z&from=2026-11-21T00:00:00Z",
    "format=xml",
    "format=CSV",
];

#[tokio::test]
async fn a_hostile_range_or_granularity_is_refused_for_a_link_and_for_all() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "asked"}))
        .await;
    for path in ["/v1/links/asked/stats", "/v1/stats"] {
        no_query_is_taken(&service, path, NO_RANGES).await;
        let windows = [
            "granularity=second",
            "granularity=Hour",
            "granularity=",
            "granularity=%00",
            "granularity=60",
            "granularity=minute&from=2026-11-01T00:00:00Z&to=2026-11-03T00:00:00Z",
            "granularity=hour&from=2026-01-01T00:00:00Z&to=2026-11-01T00:00:00Z",
        ];
        no_query_is_taken(&service, path, &windows).await;
    }
}

#[tokio::test]
async fn a_hostile_limit_of_top_links_is_refused() {
    let service = Service::start().await;
    no_query_is_taken(&service, "/v1/stats/top", NO_RANGES).await;
    let limits = [
        "limit=-1",
        "limit=0",
        "limit=101",
        "limit=4294967296",
        "limit=99999999999999999999",
        "limit=ten",
        "limit=1.5",
        "limit=",
        "limit=1&limit=2",
    ];
    no_query_is_taken(&service, "/v1/stats/top", &limits).await;
}

#[tokio::test]
async fn the_statistics_of_another_tenants_link_are_refused_as_those_of_none() {
    let service = Service::start().await;
    let made = service.make(json!({"url": "https://secret.example/"})).await;
    let theirs = made["code"].as_str().unwrap();
    let globex = service.token("globex");
    let long = "x".repeat(300);
    for code in [
        theirs,
        "nobodys",
        "no.code",
        "..%2F..%2Fetc",
        "%00",
        long.as_str(),
    ] {
        for query in ["", "?format=csv", "?granularity=day"] {
            let path = format!("/v1/links/{code}/stats{query}");
            let answer = service.send_as(&globex, Method::GET, &path, &Value::Null).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (404, "not_found"),
                "{path}"
            );
            assert_eq!(answer.json()["detail"], "there is no such link", "{path}");
        }
        // What is asked is judged before whose it is.
        let path = format!("/v1/links/{code}/stats?granularity=week");
        let answer = service.send_as(&globex, Method::GET, &path, &Value::Null).await;
        assert_eq!(answer.status, 422, "{path}");
    }
    let path = "/v1/links/%FF/stats";
    let answer = service.send(Method::GET, path, &Value::Null).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "malformed_path"));
}
