//! `POST /v1/link-batches`.

use http::Method;
use serde_json::{Value, json};

use super::{all_are_refused, deep, expected, foreign, malformed, narrow, rows, too_large, unacceptable};
use crate::harness::Service;

const BATCHES: &str = "/v1/link-batches";

#[tokio::test]
async fn a_hostile_batch_is_refused_as_a_whole_and_makes_nothing() {
    let service = narrow().await;
    let item = r#"{"url":"https://example.com/"}"#;
    let of = |items: &str| format!(r#"{{"items":{items}}}"#);
    let cases = vec![
        foreign("a form", "application/x-www-form-urlencoded"),
        foreign("no type", ""),
        foreign("a type that only begins like ours", "application/jsonp"),
        too_large("a body beyond its bound", 200_000),
        malformed(
            "bytes that are no UTF-8",
            b"{\"items\":[{\"url\":\"\xff\xfe\"}]}".as_slice(),
        ),
        malformed("lists in lists in lists", of(&deep())),
        malformed("a body that breaks off", &of(&format!("[{item}]"))[..20]),
        malformed("nothing", ""),
        malformed("two bodies", of("[]") + &of("[]")),
        unacceptable("a list", format!("[{item}]")).at(""),
        unacceptable("no items", "{}").at("/items"),
        unacceptable("items that are none", of("{}")).at("/items"),
        unacceptable("an empty list of items", of("[]")).at("/items"),
        unacceptable("too many rows", of(&format!("[{item},{item},{item},{item}]"))).at("/items"),
        unacceptable(
            "a field that nobody knows",
            format!(r#"{{"items":[{item}],"dry_run":true}}"#),
        ),
    ];
    all_are_refused(&service, Method::POST, BATCHES, cases).await;
    let listed = service.send(Method::GET, "/v1/links", &Value::Null).await;
    assert_eq!(listed.json()["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_hostile_row_is_refused_by_itself_and_in_few_words() {
    let service = Service::start().await;
    let url = "https://example.com/";
    // Field by field, as serde would read a struct.
    let list = json!([
        url,
        null,
        null,
        false,
        [],
        null,
        null,
        false,
        null,
        null,
        null,
        null,
        [],
        null,
        null
    ]);
    let mut long = json!({"url": url});
    long["x".repeat(10_000)] = json!(1);
    let cut = format!("/{}", "x".repeat(99));
    let body = json!({"items": [
        list, null, 7, {}, {"url": 7}, {"url": url, "colour": "red"}, long,
        {"url": url, "max_clicks": -1}, {"url": url, "max_clicks": 1e30}, {"url": url, "max_clicks": u64::MAX},
        {"url": url, "tags": [[["deep"]]]}, {"url": url, "alias": "../../etc"}, {"url": "javascript:alert(1)"},
        {"url": url, "expires_at": "-1"}, {"url": url, "alias": "good"},
    ]});
    let answer = service.send(Method::POST, BATCHES, &body).await;
    assert_eq!(
        rows(&answer),
        expected(&[
            (422, ""),
            (422, ""),
            (422, ""),
            (422, "/url"),
            (422, "/url"),
            (422, "/colour"),
            (422, &cut),
            (422, "/max_clicks"),
            (422, "/max_clicks"),
            (422, "/max_clicks"),
            (422, "/tags/0"),
            (422, "/alias"),
            (422, "/url"),
            (422, "/expires_at"),
            (201, ""),
        ]),
        "{}",
        answer.text()
    );
    let said = &answer.json()["items"][6]["problem"]["errors"][0]["detail"];
    assert!(said.as_str().unwrap().len() <= 600, "{said}");
    assert_eq!(service.get("/good").await.status, 302);
}
