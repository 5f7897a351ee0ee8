//! `POST /v1/link-imports`.

use http::Method;
use serde_json::{Value, json};

use super::{Hostile, all_are_refused, deep, expected, foreign, narrow, rows, too_large, unacceptable};
use crate::harness::Service;

const IMPORTS: &str = "/v1/link-imports";
const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

/// A table that is none.
fn table(sends: &'static str, body: impl Into<Vec<u8>>) -> Hostile {
    unacceptable(sends, body).kind(CSV).at("")
}

async fn link(service: &Service, code: &str) -> Value {
    let path = format!("/v1/links/{code}");
    service.send(Method::GET, &path, &Value::Null).await.json()
}

#[tokio::test]
async fn a_hostile_import_is_refused_as_a_whole_and_makes_nothing() {
    let service = narrow().await;
    let line = "{\"url\":\"https://example.com/\"}\n";
    let broken = b"url\nhttps://example.com/\xff\n".as_slice();
    let cases = vec![
        foreign("JSON", "application/json"),
        foreign("no type", ""),
        foreign("a type that only begins like ours", "text/csvx"),
        foreign("a form", "multipart/form-data; boundary=x"),
        too_large("a table beyond its bound", 200_000).kind(CSV),
        too_large("lines beyond their bound", 200_000).kind(NDJSON),
        unacceptable("bytes that are no UTF-8", broken)
            .kind(CSV)
            .code(400, "malformed_text"),
        unacceptable("lines that are no UTF-8", broken)
            .kind(NDJSON)
            .code(400, "malformed_text"),
        table("nothing", ""),
        table("a mark of the byte order, and nothing else", "\u{feff}"),
        table("a header without rows", "url,code\n"),
        table("rows without a header", "https://example.com/,row-one\n"),
        table("a header without URLs", "code,title\nrow-one,One\n"),
        table("a column that is there twice", "url,code,URL\na,b,c\n"),
        table(
            "a column that nobody knows",
            "url,colour\nhttps://example.com/,red\n",
        ),
        table("a file without line ends", "x".repeat(100_000)),
        table("too many rows", "url\na\nb\nc\nd\n"),
        table("too many lines", line.repeat(4)).kind(NDJSON),
        table("lines with nothing in them", "\n \r\n\n").kind(NDJSON),
    ];
    all_are_refused(&service, Method::POST, IMPORTS, cases).await;
    let listed = service.send(Method::GET, "/v1/links", &Value::Null).await;
    assert_eq!(listed.json()["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn each_row_of_a_hostile_table_has_its_own_outcome_and_formulas_stay_text() {
    let service = Service::start().await;
    let table = [
        "\u{feff}code,url,title,notes,max_clicks,permanent,destinations",
        r#"row-0,https://example.com/0,"=HYPERLINK(""http://evil.example"")",,,,"#,
        "row-1,https://example.com/1,,\"'=1+1, \"\"x\"\"\r\nand more\",,,",
        "row-2,https://example.com/2,,,-1,,",
        "row-3,https://example.com/3,,,99999999999999999999,,",
        "row-4,https://example.com/4,,,,yes,",
        &format!("row-5,https://example.com/5,,,,,{}", deep()),
        "row-6,https://example.com/6",
        "row-7,javascript:alert(1),,,,,",
        "row-8,,,,,,",
        "../row-9,https://example.com/9,,,,,",
        "row-10,https://example.com/10,,,,,\r\n",
    ]
    .join("\r\n");
    let answer = service
        .send_bytes(Method::POST, IMPORTS, CSV, table.into_bytes())
        .await;
    assert_eq!(
        rows(&answer),
        expected(&[
            (201, ""),
            (201, ""),
            (422, "/max_clicks"),
            (422, "/max_clicks"),
            (422, "/permanent"),
            (422, "/destinations"),
            (422, ""),
            (422, "/url"),
            (422, "/url"),
            (422, "/code"),
            (201, ""),
        ]),
        "{}",
        answer.text()
    );
    assert_eq!(
        link(&service, "row-0").await["title"],
        "=HYPERLINK(\"http://evil.example\")"
    );
    assert_eq!(link(&service, "row-1").await["notes"], "=1+1, \"x\"\r\nand more");
    let exported = service.send(Method::GET, "/v1/link-exports", &Value::Null).await;
    let text = exported.text();
    assert!(
        text.contains("'=HYPERLINK") && !text.contains(",=") && !text.contains(",\"="),
        "no spreadsheet runs it: {text}"
    );
}

#[tokio::test]
async fn a_broken_line_among_others_is_refused_by_itself() {
    let service = Service::start().await;
    let long = format!(r#"{{"url":"https://example.com/","{}":1}}"#, "x".repeat(20_000));
    let lines = [
        r#"{"url":"https://example.com/0","code":"line-0"}"#,
        r#"{"url":"https://example.com/1","code":"#,
        // Field by field, as serde would read a struct.
        r#"["line-2",null,"https://example.com/2"]"#,
        r#"{"url":"https://example.com/3","colour":"red"}"#,
        r#"{"url":"https://example.com/4","url":"https://example.com/4"}"#,
        r#"{"url":"https://example.com/5","max_clicks":-1}"#,
        &format!(r#"{{"url":"https://example.com/6","destinations":{}}}"#, deep()),
        "null",
        r#"{"code":"line-8"}"#,
        &long,
        r#"{"url":"https://example.com/10","code":"line-10"}"#,
    ]
    .join("\n");
    let answer = service
        .send_bytes(Method::POST, IMPORTS, NDJSON, lines.into_bytes())
        .await;
    let cut = format!("/{}", "x".repeat(99));
    assert_eq!(
        rows(&answer),
        expected(&[
            (201, ""),
            (422, ""),
            (422, ""),
            (422, "/colour"),
            (422, "/url"),
            (422, "/max_clicks"),
            (422, "/destinations/0/0/0"),
            (422, ""),
            (422, "/url"),
            (422, &cut),
            (201, ""),
        ]),
        "{}",
        answer.text()
    );
    let counted = answer.json();
    assert_eq!((&counted["created"], &counted["refused"]), (&json!(2), &json!(9)));
    assert!(answer.body.len() < 16_384, "what was sent is not sent back");
    assert_eq!(service.get("/line-2").await.status, 404);
    assert_eq!(service.get("/line-10").await.status, 302);
}
