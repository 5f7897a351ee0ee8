//! What nobody sends by accident: it is refused with the status and the code that it deserves, in few words.

#[path = "hostile/batches.rs"]
mod batches;
#[path = "hostile/domain_rules.rs"]
mod domain_rules;
#[path = "hostile/exports.rs"]
mod exports;
#[path = "hostile/imports.rs"]
mod imports;
#[path = "hostile/statistics.rs"]
mod statistics;
#[path = "hostile/transfers.rs"]
mod transfers;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, Setup};

const JSON: &str = "application/json";
/// No refusal needs more, whatever it is about.
const REFUSAL_BYTES_MAX: usize = 8_192;

/// What is sent, and how it is to be refused.
struct Hostile {
    sends: &'static str,
    kind: &'static str,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// Of the fields that are named, where that matters.
    pointer: Option<&'static str>,
}

/// A body of the right type that cannot be read.
fn malformed(sends: &'static str, body: impl Into<Vec<u8>>) -> Hostile {
    Hostile {
        sends,
        kind: JSON,
        body: body.into(),
        status: 400,
        code: "malformed_json",
        pointer: None,
    }
}

/// A body that can be read, and is not acceptable.
fn unacceptable(sends: &'static str, body: impl Into<Vec<u8>>) -> Hostile {
    Hostile {
        status: 422,
        code: "invalid_request",
        ..malformed(sends, body)
    }
}

/// A body that is not said to be what is wanted.
fn foreign(sends: &'static str, kind: &'static str) -> Hostile {
    Hostile {
        kind,
        status: 415,
        code: "unsupported_media_type",
        ..malformed(sends, "{}")
    }
}

fn too_large(sends: &'static str, bytes: usize) -> Hostile {
    Hostile {
        status: 413,
        code: "payload_too_large",
        ..malformed(sends, vec![b' '; bytes])
    }
}

impl Hostile {
    /// Because of this field.
    fn at(self, pointer: &'static str) -> Self {
        Self {
            pointer: Some(pointer),
            ..self
        }
    }

    /// Said to be of another type.
    fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// Refused with another code.
    fn code(self, status: u16, code: &'static str) -> Self {
        Self { status, code, ..self }
    }
}

/// Sends each and looks at what is answered.
async fn all_are_refused(service: &Service, method: Method, path: &str, cases: Vec<Hostile>) {
    for case in cases {
        let sends = case.sends;
        let answer = service
            .send_bytes(method.clone(), path, case.kind, case.body)
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (case.status, case.code),
            "{path}: {sends}"
        );
        if let Some(pointer) = case.pointer {
            assert_eq!(answer.pointers(), [pointer], "{path}: {sends}");
        }
        assert!(answer.body.len() < REFUSAL_BYTES_MAX, "{path}: {sends}");
    }
}

/// Asks each and looks at what is answered.
async fn no_query_is_taken(service: &Service, path: &str, queries: &[&str]) {
    for query in queries {
        let path = format!("{path}?{query}");
        let answer = service.send(Method::GET, &path, &Value::Null).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (422, "invalid_request"),
            "{path}"
        );
        assert!(answer.body.len() < REFUSAL_BYTES_MAX, "{path}");
    }
}

/// With bounds that are soon reached.
async fn narrow() -> Service {
    Setup::new()
        .await
        .change(|settings| {
            settings.bulk.rows_max = 3;
            settings.bulk.import_rows_max = 3;
            settings.bulk.body_kib_max = 128;
            settings.targets.domains_max = 3;
        })
        .start()
        .await
}

/// Deeper than any reader follows.
fn deep() -> String {
    format!("{}{}", "[".repeat(200), "]".repeat(200))
}

/// What became of each row: its status, and the first field that is named.
fn rows(answer: &Answer) -> Vec<(u64, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| {
            let pointer = item["problem"]["errors"][0]["pointer"].as_str();
            (
                item["status"].as_u64().unwrap(),
                pointer.unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

/// What rows are to become.
fn expected(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter()
        .map(|(status, pointer)| (*status, (*pointer).to_owned()))
        .collect()
}

#[tokio::test]
async fn an_operation_that_has_no_parameters_does_nothing_where_one_is_given() {
    let service = Service::start().await;
    let made = json!({"url": "https://example.com/", "alias": "kept"});
    service.make(made.clone()).await;
    let other = json!({"url": "https://example.com/", "alias": "other"});
    let before = service.send(Method::GET, "/v1/links/kept", &Value::Null).await;
    for (method, path, body) in [
        (Method::DELETE, "/v1/links/kept", Value::Null),
        (Method::PATCH, "/v1/links/kept", json!({"title": "changed"})),
        (Method::GET, "/v1/links/kept", Value::Null),
        (Method::POST, "/v1/links", other.clone()),
        (Method::POST, "/v1/link-batches", json!({"items": [other]})),
        (Method::POST, "/v1/link-imports", Value::Null),
        (
            Method::POST,
            "/v1/link-transfers",
            json!({"to": "bob", "codes": ["kept"]}),
        ),
        (Method::GET, "/v1/domain-rules", Value::Null),
        (
            Method::PUT,
            "/v1/domain-rules",
            json!({"allow": [], "deny": ["bad.example"]}),
        ),
    ] {
        let path = format!("{path}?dry_run=true");
        let answer = service.send(method.clone(), &path, &body).await;
        let said = answer.text();
        assert_eq!(answer.status, 422, "{method} {path}: {said}");
        assert!(said.contains("no parameter `dry_run`"), "{method} {path}: {said}");
    }
    let after = service.send(Method::GET, "/v1/links/kept", &Value::Null).await;
    assert_eq!(before.json(), after.json());
    assert_eq!(service.get("/other").await.status, 404);
    let rules = service.send(Method::GET, "/v1/domain-rules", &Value::Null).await;
    assert_eq!(rules.json()["deny"], json!([]));
}
