//! Out of an installation and into one: nothing is lost on the way.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, Setup};

const EXPORTS: &str = "/v1/link-exports";
const IMPORTS: &str = "/v1/link-imports";

async fn export(service: &Service, query: &str) -> String {
    let answer = service
        .send(Method::GET, &format!("{EXPORTS}?{query}"), &Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

async fn import(service: &Service, kind: &str, body: &str) -> Answer {
    import_as(service, &service.token("acme"), kind, body).await
}

async fn import_as(service: &Service, token: &str, kind: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
    service.request(Method::POST, IMPORTS, &headers, body).await
}

/// The links of `acme` by their codes, without what an import does not carry over.
async fn links(service: &Service) -> Vec<Value> {
    let listed = service
        .send(Method::GET, "/v1/links?limit=100", &Value::Null)
        .await;
    let mut items = listed.json()["items"].as_array().unwrap().clone();
    for item in &mut items {
        let fields = item.as_object_mut().unwrap();
        for field in ["id", "short_url", "clicks", "last_click_at"] {
            fields.remove(field);
        }
    }
    items.sort_by_key(|item| item["code"].as_str().unwrap().to_owned());
    items
}

async fn delete_all(service: &Service) {
    for link in links(service).await {
        let path = format!("/v1/links/{}", link["code"].as_str().unwrap());
        assert_eq!(
            service.send(Method::DELETE, &path, &Value::Null).await.status,
            204
        );
    }
}

/// One link of each kind, and all the parts there are.
async fn make_some(service: &Service) {
    for body in [
        json!({"url": "https://example.com/plain"}),
        json!({"url": "https://example.com/perm", "alias": "permanent", "permanent": true}),
        json!({
            "url": "https://example.com/?q=\"a,b\"", "alias": "everything", "tags": ["a", "b c", "d,e", "=SUM(A1)"],
            "title": "=HYPERLINK(\"x\"), 'quoted'", "notes": "two\nlines, \"quoted\"\r\nand -more", "archived": true,
            "active_from": "2026-01-01T00:00:00.123Z", "expires_at": "2099-01-01T00:00:00Z",
            "fallback_url": "https://example.com/over", "max_clicks": 7,
            "destinations": [
                {"countries": ["DE", "AT"], "url": "https://example.com/de"},
                {"devices": ["mobile"], "url": "https://example.com/m"},
                {"weight": 1, "url": "https://example.com/a"},
                {"weight": 3, "url": "https://example.com/b"},
            ],
        }),
        json!({"url": "https://example.com/secret", "alias": "guarded", "password": "open sesame"}),
        json!({"url": "https://example.com/edge", "alias": "edge", "edge_cache_s": 60}),
    ] {
        service.make(body).await;
    }
}

fn counts(answer: &Answer) -> [u64; 3] {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    ["created", "unchanged", "refused"].map(|count| answer[count].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_exported_and_imported_again_is_the_same_in_both_forms() {
    for (format, kind) in [
        ("csv", "text/csv; charset=utf-8"),
        ("ndjson", "application/x-ndjson"),
    ] {
        let service = Service::start().await;
        make_some(&service).await;
        let before = links(&service).await;
        let exported = export(&service, &format!("format={format}&password_hashes=true")).await;
        let again = import(&service, kind, &exported).await;
        assert_eq!(counts(&again), [0, 5, 0], "{:?}", again.text());
        delete_all(&service).await;
        let imported = import(&service, kind, &exported).await;
        assert_eq!(counts(&imported), [5, 0, 0], "{:?}", imported.text());
        assert_eq!(links(&service).await, before, "{format}");
        // The password is the same one.
        let headers = [("link-password", "open sesame")];
        let opened = service.request(Method::GET, "/guarded", &headers, "").await;
        assert_eq!(opened.header("location"), Some("https://example.com/secret"));
        assert_eq!(service.get("/guarded").await.status, 401);
    }
}

#[tokio::test]
async fn many_links_come_in_parts_that_make_a_whole() {
    let service = Setup::new()
        .await
        .change(|settings| settings.bulk.export_page_links = 7)
        .start()
        .await;
    let items: Vec<Value> = (0..50)
        .map(|number| json!({"url": format!("https://example.com/{number}"), "tags": [format!("t{}", number % 2)]}))
        .collect();
    let made = service
        .send(Method::POST, "/v1/link-batches", &json!({"items": items}))
        .await;
    assert_eq!(made.status, 200);
    let lines = export(&service, "format=ndjson").await;
    let exported: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected: Vec<String> = (0..50)
        .rev()
        .map(|number| format!("https://example.com/{number}"))
        .collect();
    let urls: Vec<&str> = exported
        .iter()
        .map(|link| link["url"].as_str().unwrap())
        .collect();
    assert_eq!(urls, expected, "newest first, each once");
    let some = export(&service, "format=csv&tag=t1").await;
    assert_eq!(some.lines().count(), 26, "a header and 25 rows");
    let table = export(&service, "").await;
    assert_eq!(counts(&import(&service, "text/csv", &table).await), [0, 50, 0]);
}

#[tokio::test]
async fn a_link_with_a_password_is_not_taken_in_without_it_and_hashes_are_for_who_may_write() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "guarded", "password": "open sesame"}))
        .await;
    let exported = export(&service, "format=ndjson").await;
    assert!(!exported.contains("argon2"), "{exported}");
    assert!(
        export(&service, "format=ndjson&password_hashes=true")
            .await
            .contains("$argon2id$")
    );
    let reader = service.token_for("acme", "ada", "links:read");
    let path = format!("{EXPORTS}?password_hashes=true");
    assert_eq!(
        service
            .send_as(&reader, Method::GET, &path, &Value::Null)
            .await
            .status,
        403
    );
    assert_eq!(
        service
            .send_as(&reader, Method::GET, EXPORTS, &Value::Null)
            .await
            .status,
        200
    );
    delete_all(&service).await;
    let refused = import(&service, "application/x-ndjson", &exported).await;
    assert_eq!(counts(&refused), [0, 0, 1]);
    let pointer = &refused.json()["items"][0]["problem"]["errors"][0]["pointer"];
    assert_eq!(pointer, "/password_hash");
    let weak = exported.replace("\"has_password\":true", "\"password_hash\":\"open sesame\"");
    assert_eq!(
        counts(&import(&service, "application/x-ndjson", &weak).await),
        [0, 0, 1]
    );
}

#[tokio::test]
async fn nobody_takes_over_a_generated_code_and_who_had_it_gets_it_back() {
    let service = Service::start().await;
    let made = service.make(json!({"url": "https://example.com/mine"})).await;
    let code = made["code"].as_str().unwrap().to_owned();
    let exported = export(&service, "format=ndjson").await;
    delete_all(&service).await;
    let globex = service.token("globex");
    let stolen = import_as(&service, &globex, "application/x-ndjson", &exported).await;
    assert_eq!(counts(&stolen), [0, 0, 1], "a proof is its tenant's");
    let claimed = format!("{{\"url\":\"https://evil.example/\",\"code\":\"{code}\"}}\n");
    assert_eq!(
        counts(&import(&service, "application/x-ndjson", &claimed).await),
        [0, 0, 1]
    );
    assert_eq!(service.get(&format!("/{code}")).await.status, 404);
    assert_eq!(
        counts(&import(&service, "application/x-ndjson", &exported).await),
        [1, 0, 0]
    );
    assert_eq!(
        service.get(&format!("/{code}")).await.header("location"),
        Some("https://example.com/mine")
    );
}

/// What an installation with twenty links exported, and its code key; it is gone.
async fn moving(query: &str) -> (String, String) {
    let old = Service::start().await;
    let items: Vec<Value> = (0..20)
        .map(|n| json!({"url": format!("https://example.com/{n}")}))
        .collect();
    let made = old
        .send(Method::POST, "/v1/link-batches", &json!({"items": items}))
        .await;
    assert_eq!(made.status, 200);
    let exported = export(&old, query).await;
    let key = std::fs::read_to_string(old.folder.path().join("shortener.key")).unwrap();
    old.stop().await;
    (exported, key)
}

/// A new installation with the code key of another.
async fn with_the_key(key: &str) -> Service {
    Setup::new()
        .await
        .change(|settings| {
            settings.code_key = config::Secret::new(key.trim());
            settings.code_range_size = 1;
        })
        .start()
        .await
}

#[tokio::test]
async fn a_row_without_a_code_takes_none_that_another_row_brings_along() {
    let (exported, key) = moving("format=ndjson").await;
    let new = with_the_key(&key).await;
    let mixed = format!("{{\"url\":\"https://example.com/codeless\"}}\n{exported}");
    let imported = import(&new, "application/x-ndjson", &mixed).await;
    assert_eq!(counts(&imported), [21, 0, 0], "{:?}", imported.text());
}

#[tokio::test]
async fn with_its_code_key_an_installation_moves_whole_and_gives_no_code_twice() {
    let (exported, key) = moving("").await;
    let new = with_the_key(&key).await;
    assert_eq!(counts(&import(&new, "text/csv", &exported).await), [20, 0, 0]);
    // Counters begin anew in a new store, and would give the same codes.
    for _ in 0..20 {
        new.make(json!({"url": "https://example.com/more"})).await;
    }
    let other = Service::start().await;
    let refused = import(&other, "text/csv", &exported).await;
    assert_eq!(counts(&refused), [0, 0, 20], "another key");
    assert_eq!(
        refused.json()["items"][0]["problem"]["errors"][0]["pointer"],
        "/code"
    );
}

#[tokio::test]
async fn rows_are_refused_one_by_one_and_an_import_may_be_repeated() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "taken"}))
        .await;
    let table = "url,code,tags,expires_at,created_at\n\
        https://example.com/0,zero,\"a, b\",,2020-01-01T00:00:00Z\n\
        https://example.com/1,taken,,,\n\
        ftp://example.com/,two,,,\n\
        https://example.com/3,docs,,,\n\
        https://example.com/4,four,,2020-01-01T00:00:00Z,\n\
        https://example.com/5,five,,,2999-01-01T00:00:00Z\n\
        too,few\n\
        https://example.com/7,zero,\"a,b\",,\n\
        https://example.com/8,,,,\n";
    let first = import(&service, "text/csv", table).await;
    let statuses = |answer: &Answer| -> Vec<u64> {
        let items = answer.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["status"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        statuses(&first),
        [201, 409, 422, 422, 201, 422, 422, 409, 201],
        "{:?}",
        first.text()
    );
    assert_eq!(service.get("/zero").await.status, 302);
    assert_eq!(service.get("/four").await.status, 410, "it had expired");
    let zero = service
        .send(Method::GET, "/v1/links/zero", &Value::Null)
        .await
        .json();
    assert_eq!(
        (&zero["created_at"], &zero["owner"]),
        (&json!("2020-01-01T00:00:00.000Z"), &json!("ada"))
    );
    let again = import(&service, "text/csv", table).await;
    assert_eq!(statuses(&again), [200, 409, 422, 422, 200, 422, 422, 409, 201]);
    // With a key, rows without a code are found again too, and the answer is the same.
    let authorization = format!("Bearer {}", service.token("acme"));
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "text/csv"),
        ("idempotency-key", "k"),
    ];
    let mut answers = Vec::new();
    for _ in 0..2 {
        let body = "url\nhttps://example.com/keyed\n";
        let answer = service.request(Method::POST, IMPORTS, &headers, body).await;
        answers.push(answer.json());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["created"], 1);
}

#[tokio::test]
async fn what_is_no_import_is_refused_as_a_whole() {
    let service = Setup::new()
        .await
        .change(|settings| settings.bulk.import_rows_max = 2)
        .start()
        .await;
    for (kind, body, status) in [
        ("application/json", "{}", 415),
        ("", "url\nx", 415),
        ("text/csv", "", 422),
        ("text/csv", "url,colour\nhttps://example.com/,red\n", 422),
        ("text/csv", "url\n", 422),
        ("text/csv", "url\na\nb\nc\n", 422),
        ("application/x-ndjson", "\n\n", 422),
    ] {
        let refused = import(&service, kind, body).await;
        assert_eq!(refused.status, status, "{kind} {body:?}");
        refused.code();
    }
    let long = import(&service, "text/csv", "url\na\nb\nc\n").await.json();
    let said = long["detail"].as_str().unwrap();
    assert!(
        said.contains("there are 3") && said.contains("in parts of at most 2"),
        "{said}"
    );
    let reader = service.token_for("acme", "ada", "links:read");
    assert_eq!(
        import_as(&service, &reader, "text/csv", "url\nx\n").await.status,
        403
    );
    let refused = service
        .send(Method::GET, &format!("{EXPORTS}?format=xml"), &Value::Null)
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(service.get(EXPORTS).await.status, 401);
}
