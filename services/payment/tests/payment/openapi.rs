//! The document says what the service does.

use http::Method;
use serde_json::{Value, json};

use crate::harness::Service;

fn document() -> Value {
    serde_json::to_value(payment::openapi()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    operations
}

#[test]
fn it_is_openapi_3_1_and_lists_every_operation_of_the_ledger() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let listed: Vec<String> = operations(&document)
        .iter()
        .map(|(method, path, operation)| {
            format!("{method} {path} {}", operation["operationId"].as_str().unwrap())
        })
        .collect();
    for expected in [
        "post /v1/accounts create_account",
        "get /v1/accounts list_accounts",
        "get /v1/accounts/{id} show_account",
        "patch /v1/accounts/{id} update_account",
        "get /v1/accounts/{id}/balance show_balance",
        "get /v1/accounts/{id}/entries list_entries",
        "get /v1/accounts/{id}/statement show_statement",
        "post /v1/transfers create_transfer",
        "post /v1/transfers/batch create_transfers",
        "get /v1/transfers/{id} show_transfer",
        "post /v1/transfers/{id}/reversal reverse_transfer",
        "post /v1/transactions create_transaction",
        "post /v1/holds place_hold",
        "get /v1/holds list_holds",
        "get /v1/holds/{id} show_hold",
        "post /v1/holds/{id}/capture capture_hold",
        "post /v1/holds/{id}/void void_hold",
        "get /v1/trial-balance show_trial_balance",
        "get /v1/ledger/chain show_chain",
    ] {
        assert!(listed.iter().any(|found| found == expected), "{expected}");
    }
}

#[test]
fn every_refusal_is_a_problem_every_reference_leads_somewhere_and_every_operation_names_its_scope() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let refusal = status.parse::<u16>().unwrap() >= 400;
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(
                refusal,
                problem == "#/components/schemas/Problem",
                "{method} {path} {status}"
            );
        }
        let ledger = [
            "accounts",
            "transfers",
            "transactions",
            "holds",
            "trial-balance",
            "ledger",
        ];
        if ledger.iter().any(|part| path.starts_with(&format!("/v1/{part}"))) {
            let scope = if method == "get" {
                "ledger:read"
            } else {
                "ledger:write"
            };
            assert_eq!(
                operation["security"],
                json!([{"token": [scope]}]),
                "{method} {path}"
            );
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_as_an_example_of_a_body_is_taken_as_it_stands() {
    let service = Service::start().await;
    service.open_books().await;
    let example = |path: &str, method: &str| {
        let document = document();
        let body = &document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
        let pointer = body["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        document.pointer(pointer).unwrap()["example"].clone()
    };
    service
        .post("/v1/accounts", example("/v1/accounts", "post"))
        .await
        .expect(201);
    let patch = example("/v1/accounts/{id}", "patch");
    service
        .send(Method::PATCH, "/v1/accounts/1003", &patch)
        .await
        .expect(200);
    let more = crate::harness::transfer(1000, 1001, "100000");
    service.post("/v1/transfers", more).await.expect(201);
    let made = service
        .post("/v1/transfers", example("/v1/transfers", "post"))
        .await
        .expect(201);
    let batch = service
        .post("/v1/transfers/batch", example("/v1/transfers/batch", "post"))
        .await
        .expect(200);
    for row in batch["results"].as_array().unwrap() {
        assert_eq!(row["status"], 201, "{row}");
    }
    service
        .post("/v1/transactions", example("/v1/transactions", "post"))
        .await
        .expect(201);
    let hold = service
        .post("/v1/holds", example("/v1/holds", "post"))
        .await
        .expect(201);
    let path = format!("/v1/transfers/{}/reversal", made["id"].as_str().unwrap());
    service
        .post(&path, example("/v1/transfers/{id}/reversal", "post"))
        .await
        .expect(201);
    let path = format!("/v1/holds/{}/capture", hold["id"].as_str().unwrap());
    service
        .post(&path, example("/v1/holds/{id}/capture", "post"))
        .await
        .expect(201);
}
