//! `GET /v1/link-exports`.

use http::Method;
use serde_json::{Value, json};

use super::no_query_is_taken;
use crate::harness::Service;

const EXPORTS: &str = "/v1/link-exports";

#[tokio::test]
async fn a_hostile_query_exports_nothing() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://secret.example/", "tags": ["secret"]}))
        .await;
    let long = format!("q={}", "x".repeat(201));
    let queries = [
        "format=xml",
        "format=CSV",
        "format=",
        "format=csv&format=ndjson",
        "password_hashes=perhaps",
        "archived=maybe",
        "archived=-1",
        "owner=a%20b",
        "owner=..%2F..%2Fetc",
        long.as_str(),
    ];
    no_query_is_taken(&service, EXPORTS, &queries).await;
    // Bytes that are no text are in no link, and what another tenant has is not there.
    for query in ["q=%FF%FE", "tag=%00", "tag=secret%27%20OR%201%3D1", "owner=eve"] {
        let path = format!("{EXPORTS}?format=ndjson&{query}");
        let none = service.send(Method::GET, &path, &Value::Null).await;
        assert_eq!((none.status, none.text()), (200, ""), "{query}");
    }
    let globex = service.token("globex");
    for query in ["", "&tag=secret", "&owner=ada", "&q=secret"] {
        let path = format!("{EXPORTS}?format=ndjson{query}");
        let theirs = service.send_as(&globex, Method::GET, &path, &Value::Null).await;
        assert_eq!((theirs.status, theirs.text()), (200, ""), "{query}");
    }
}
