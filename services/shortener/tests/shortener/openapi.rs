//! The document says what the service does.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::harness::Service;

fn document() -> Value {
    serde_json::to_value(shortener::openapi()).unwrap()
}

#[test]
fn it_is_openapi_3_1_and_lists_every_operation() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.insert(format!(
                "{method} {path} {}",
                operation["operationId"].as_str().unwrap()
            ));
        }
    }
    let expected = [
        "delete /v1/links/{code} delete_link",
        "get /v1/domain-rules show_domain_rules",
        "get /v1/link-exports export_links",
        "get /v1/links list_links",
        "get /v1/links/{code} show_link",
        "get /v1/links/{code}/qr show_link_qr",
        "get /v1/links/{code}/stats show_link_stats",
        "get /v1/stats show_stats",
        "get /v1/stats/top list_top_links",
        "get /{code} follow_link",
        "get /{code}+ preview_link",
        "head /{code} probe_link",
        "patch /v1/links/{code} update_link",
        "post /v1/link-batches create_links",
        "post /v1/link-imports import_links",
        "post /v1/link-transfers transfer_links",
        "post /v1/links create_link",
        "post /{code} unlock_link",
        "put /v1/domain-rules replace_domain_rules",
    ];
    assert_eq!(operations, expected.map(str::to_owned).into());
}

#[test]
fn every_refusal_is_a_problem_and_every_reference_leads_somewhere() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let refusal = status.parse::<u16>().unwrap() >= 400;
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                let bare = method == "head";
                assert_eq!(
                    refusal && !bare,
                    problem == "#/components/schemas/Problem",
                    "{method} {path} {status}"
                );
            }
        }
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            into.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}

#[tokio::test]
async fn what_is_documented_as_an_example_of_a_body_is_taken_as_it_stands() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "there"}))
        .await;
    let document = document();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(pointer) = body.as_str().and_then(|reference| reference.strip_prefix('#')) else {
                continue;
            };
            let example = &document.pointer(pointer).unwrap()["example"];
            assert!(example.is_object(), "{method} {path} has none");
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let path = path.replace("{code}", "there");
            let answer = service.send(method, &path, example).await;
            assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
            let told = answer.json();
            for row in told["items"].as_array().into_iter().flatten() {
                let status = row["status"].as_u64().unwrap();
                assert!((200..300).contains(&status), "{path}: {row}");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 5);
}

#[test]
fn only_redirects_are_open() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].to_string();
            let expected = match method.as_str() {
                "get" | "head" | "post" if path.starts_with("/{code}") => "[{}]",
                "get" => r#"[{"token":["links:read"]}]"#,
                _ => r#"[{"token":["links:write"]}]"#,
            };
            assert_eq!(security, expected, "{method} {path}");
        }
    }
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
}
