//! `POST /v1/link-transfers`.

use http::Method;
use serde_json::{Value, json};

use super::{all_are_refused, deep, foreign, malformed, narrow, too_large, unacceptable};
use crate::harness::{Service, Setup};

const TRANSFERS: &str = "/v1/link-transfers";

async fn owner(service: &Service, code: &Value) -> Value {
    let path = format!("/v1/links/{}", code.as_str().unwrap());
    service.send(Method::GET, &path, &Value::Null).await.json()["owner"].clone()
}

#[tokio::test]
async fn a_hostile_transfer_is_refused_and_hands_nothing_over() {
    let service = narrow().await;
    let made = service.make(json!({"url": "https://example.com/"})).await;
    let and = |more: &str| format!(r#"{{"from":"ada","to":"eve",{more}}}"#);
    let long = "x".repeat(65);
    let cases = vec![
        foreign("a table", "text/csv"),
        too_large("a body beyond its bound", 200_000),
        malformed(
            "bytes that are no UTF-8",
            b"{\"from\":\"\xff\",\"to\":\"eve\"}".as_slice(),
        ),
        malformed("half a body", r#"{"from":"ada","#),
        unacceptable(
            "lists in lists in lists",
            format!(r#"{{"from":{},"to":"eve"}}"#, deep()),
        )
        .at("/from"),
        unacceptable("a list", r#"["ada","eve"]"#).at(""),
        unacceptable("nobody to take from", r#"{"to":"eve"}"#).at("/from"),
        unacceptable("nobody to give to", r#"{"from":"ada","to":""}"#).at("/to"),
        unacceptable("a name with a blank", r#"{"from":"a da","to":"eve"}"#).at("/from"),
        unacceptable(
            "a name that is too long",
            format!(r#"{{"from":"ada","to":"{long}"}}"#),
        )
        .at("/to"),
        unacceptable("a field that nobody knows", and(r#""tenant":"globex""#)),
        unacceptable("no codes in a list of codes", and(r#""codes":[]"#)).at("/codes"),
        unacceptable("too many codes", and(r#""codes":["aaa","bbb","ccc","ddd"]"#)).at("/codes"),
        unacceptable("a number for a code", and(r#""codes":["aaa",7]"#)).at("/codes/1"),
        unacceptable("a cursor that is none", and(r#""cursor":"' OR 1=1""#)).at("/cursor"),
        unacceptable("an empty cursor", and(r#""cursor":"""#)).at("/cursor"),
        unacceptable("a number for a cursor", and(r#""cursor":7"#)).at("/cursor"),
        unacceptable(
            "a cursor through codes",
            and(r#""codes":["aaa"],"cursor":"AAAAAAAAAAE""#),
        )
        .at("/cursor"),
    ];
    all_are_refused(&service, Method::POST, TRANSFERS, cases).await;
    assert_eq!(owner(&service, &made["code"]).await, "ada");
}

#[tokio::test]
async fn with_a_cursor_or_codes_of_another_tenant_nothing_of_theirs_is_seen_or_handed_over() {
    let service = Setup::new()
        .await
        .change(|settings| settings.bulk.rows_max = 1)
        .start()
        .await;
    let mut codes = Vec::new();
    for number in 0..3 {
        let body = json!({"url": format!("https://example.com/{number}")});
        codes.push(service.make(body).await["code"].clone());
    }
    let part = service
        .send(Method::POST, TRANSFERS, &json!({"from": "ada", "to": "grace"}))
        .await
        .json();
    let cursor = part["next_cursor"].as_str().unwrap();
    let globex = service.token("globex");
    let send = async |body: Value| service.send_as(&globex, Method::POST, TRANSFERS, &body).await;
    let theirs = send(json!({"from": "ada", "to": "eve", "cursor": cursor})).await;
    assert_eq!(
        (theirs.status, theirs.json()),
        (200, json!({"items": [], "next_cursor": null}))
    );
    // A link of others is answered as one that nobody has.
    for code in [&codes[0], &json!("nobodys")] {
        let row = send(json!({"from": "ada", "to": "eve", "codes": [code]}))
            .await
            .json()["items"][0]
            .clone();
        let problem = &row["problem"];
        assert_eq!(
            (&row["status"], &problem["code"], &problem["detail"]),
            (&json!(404), &json!("not_found"), &json!("there is no such link")),
            "{row}"
        );
    }
    assert_eq!(owner(&service, &codes[0]).await, "ada");
}

#[tokio::test]
async fn as_many_codes_as_a_transfer_may_have_fit_into_it_however_long_they_are() {
    let service = Service::start().await;
    let codes: Vec<String> = (0..1_000).map(|number| format!("{number:a>64}")).collect();
    let body = json!({"from": "ada", "to": "grace", "codes": codes});
    let answer = service.send(Method::POST, TRANSFERS, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 1_000);
}
