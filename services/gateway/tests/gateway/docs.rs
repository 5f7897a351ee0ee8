//! What every role promises, as a browser and a program read it.

use serde_json::{Value, json};

use crate::client::{ask, get};
use crate::front::{Front, Plan};
use crate::upstreams;

fn api() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "A <b>ledger</b>", "description": "Keeps `accounts`.", "version": "1.2.3"},
        "tags": [{"name": "accounts", "description": "All of them"}],
        "paths": {
            "/v1/accounts/{id}": {
                "get": {"operationId": "show_account", "tags": ["accounts"], "summary": "Show an account",
                    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^[0-9]+$"}}],
                    "security": [{"token": ["accounts:read"]}],
                    "responses": {"200": {"description": "The account", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Account"}}}}}},
                "delete": {"operationId": "close_account", "tags": ["accounts"], "responses": {"204": {"description": ""}}}
            }
        },
        "components": {"schemas": {"Account": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "description": "Its `id` & more."},
            "limit": {"type": "integer", "minimum": 0, "default": 5}
        }}}}
    })
}

async fn front(json: String) -> Front {
    let mut plan = Plan::with(upstreams::down().await).await;
    plan.documents = vec![gateway::Document { role: "ledger", json }];
    plan.start()
}

#[tokio::test]
async fn every_role_has_its_operations_types_and_a_line_to_try_on_a_page_without_a_token_or_a_network() {
    let front = front(api().to_string()).await;
    let index = get(front.addr, "/docs").await;
    assert_eq!(index.status, 200);
    assert!(index.text().contains("href=\"/docs/ledger\"") && index.text().contains("2 operations"));
    let reply = get(front.addr, "/docs/ledger").await;
    let page = reply.text();
    assert_eq!(reply.status, 200, "{page}");
    assert!(
        reply
            .header("content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    let url = format!("http://{}", front.addr);
    for part in [
        "A &lt;b&gt;ledger&lt;/b&gt;",
        "Keeps <code>accounts</code>.",
        "id=\"show-account\"",
        "href=\"#close-account\"",
        "accounts:read",
        "href=\"#type-account\">Account</a>",
        "id=\"type-account\"",
        "Its <code>id</code> &amp; more.",
        "at least 0, default <code>5</code>",
        &format!("curl -s &quot;{url}/v1/accounts/$ID&quot; -H &quot;Authorization: Bearer $TOKEN&quot;"),
    ] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    let elsewhere = page
        .match_indices("http")
        .filter(|(at, _)| !page[*at..].starts_with(&url));
    assert_eq!(elsewhere.count(), 0, "nothing is loaded from elsewhere: {page}");
}

#[tokio::test]
async fn the_document_itself_is_there_for_programs_as_it_was_handed_in() {
    let front = front(api().to_string()).await;
    let reply = get(front.addr, "/docs/ledger/openapi.json").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(
        serde_json::from_str::<Value>(&reply.text()).expect("a document"),
        api()
    );
}

#[tokio::test]
async fn a_role_without_a_document_is_not_found_and_a_broken_document_breaks_only_its_own_page() {
    let front = front("{}".to_owned()).await;
    for path in [
        "/docs/nobody",
        "/docs/nobody/openapi.json",
        "/docs/ledger/x",
        "/docs/",
    ] {
        assert_eq!(get(front.addr, path).await.status, 404, "{path}");
    }
    assert_eq!(get(front.addr, "/docs/ledger").await.status, 500);
    assert_eq!(get(front.addr, "/docs").await.status, 200);
}

#[tokio::test]
async fn who_is_signed_in_is_shown_there_too() {
    let front = front(api().to_string()).await;
    let page = ask(
        front.addr,
        &["GET /docs/ledger HTTP/1.1", &front.session("acme")],
        b"",
    )
    .await;
    assert!(page.text().contains("ada · acme"), "{}", page.text());
}
