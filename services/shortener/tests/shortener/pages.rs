//! The pages, as a browser without scripts uses them.

use http::Method;
use serde_json::{Value, json};

use crate::engines::embedded_only;
use crate::harness::{Answer, Blocked, Service, Setup};

const FORM: &str = "application/x-www-form-urlencoded";

async fn visit(service: &Service, path: &str) -> Answer {
    service.send(Method::GET, path, &Value::Null).await
}

async fn submit(service: &Service, path: &str, form: &str) -> Answer {
    let bearer = format!("Bearer {}", service.token("acme"));
    let headers = [("authorization", bearer.as_str()), ("content-type", FORM)];
    service.request(Method::POST, path, &headers, form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_page_leads_to_the_sign_in_page_and_back() {
    let service = Service::start().await;
    for (method, path) in [
        (Method::GET, "/ui/shortener"),
        (Method::POST, "/ui/shortener"),
        (Method::POST, "/ui/shortener/abc/delete"),
    ] {
        let answer = service.request(method, path, &[("content-type", FORM)], "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/ui/login?return_to=/ui/shortener"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_listed_and_deleted_with_forms() {
    let service = Service::start().await;
    let empty = visit(&service, "/ui/shortener").await;
    assert_eq!(empty.status, 200);
    assert!(
        empty
            .header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(empty.text().contains("No links yet"));

    let made = submit(
        &service,
        "/ui/shortener",
        "url=https%3A%2F%2Fexample.com%2F%3Ca%3E&alias=by-form&tags=a%2C+b",
    )
    .await;
    assert_eq!(
        (made.status, made.header("location")),
        (303, Some("/ui/shortener?made=by-form"))
    );
    let page = visit(&service, "/ui/shortener?made=by-form").await;
    assert!(page.text().contains("http://sho.rt/by-form"), "{}", page.text());
    assert!(page.text().contains("https://example.com/%3Ca%3E") && !page.text().contains("<a>"));
    assert_eq!(service.get("/by-form").await.status, 302);

    let deleted = submit(&service, "/ui/shortener/by-form/delete", "").await;
    assert_eq!(
        (deleted.status, deleted.header("location")),
        (303, Some("/ui/shortener?deleted=by-form"))
    );
    assert_eq!(service.get("/by-form").await.status, 404);
    assert_eq!(
        submit(&service, "/ui/shortener/by-form/delete", "").await.status,
        303,
        "twice is no error"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_place_and_what_was_typed_is_kept() {
    let service = Service::start().await;
    let answer = submit(
        &service,
        "/ui/shortener",
        "url=javascript%3Aalert(1)&alias=kept-alias&tags=%22%3Cb%3E",
    )
    .await;
    assert_eq!(answer.status, 422);
    let page = answer.text();
    assert!(
        page.contains("only http:// and https:// URLs can be shortened"),
        "{page}"
    );
    assert!(page.contains("aria-invalid=\"true\"") && page.contains("value=\"kept-alias\""));
    assert!(
        page.contains("&quot;&lt;b&gt;") && !page.contains("\"<b>"),
        "escaped"
    );
    service
        .make(json!({"url": "https://example.com/", "alias": "taken"}))
        .await;
    let taken = submit(
        &service,
        "/ui/shortener",
        "url=https%3A%2F%2Fexample.com&alias=taken",
    )
    .await;
    assert_eq!(taken.status, 409);
    assert!(taken.text().contains("this alias is taken"));
}

fn key_of(page: &Answer) -> String {
    let (_, after) = page.text().split_once("name=\"key\" value=\"").unwrap();
    after.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_the_store_failed_is_shown_again_with_its_key_and_sent_again_makes_one_link() {
    if embedded_only("the store is a file that somebody locks") {
        return;
    }
    let setup = Setup::new()
        .await
        .change(|settings| settings.sqlite.write_deadline_ms = 200);
    let service = setup.start().await;
    let blocked = Blocked::new(service.folder.path().join("shortener.db")).await;
    let form = |key: &str| format!("key={key}&url=https%3A%2F%2Fexample.com%2F&alias=typed");
    let failed = submit(&service, "/ui/shortener", &form("mine")).await;
    assert_eq!((failed.status, key_of(&failed).as_str()), (503, "mine"));
    assert!(failed.text().contains("value=\"typed\""), "{}", failed.text());
    assert!(failed.text().contains("the link store cannot be reached"));
    assert!(failed.header("retry-after").is_some());
    blocked.release().await;
    for _ in 0..2 {
        let made = submit(&service, "/ui/shortener", &form(&key_of(&failed))).await;
        assert_eq!(made.status, 303);
    }
    let listed = visit(&service, "/v1/links").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_makes_one_link() {
    let service = Service::start().await;
    let page = visit(&service, "/ui/shortener").await;
    let key = key_of(&page);
    let form = format!("key={key}&url=https%3A%2F%2Fexample.com%2F");
    let (first, second) = (
        submit(&service, "/ui/shortener", &form).await,
        submit(&service, "/ui/shortener", &form).await,
    );
    assert_eq!(
        (first.status, first.header("location")),
        (303, second.header("location"))
    );
    let listed = visit(&service, "/v1/links").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let changed = submit(
        &service,
        "/ui/shortener",
        &format!("key={key}&url=https%3A%2F%2Fother.example%2F"),
    )
    .await;
    assert_eq!(changed.status, 422);
    assert!(changed.text().contains("sent before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_one_tenant_shows_and_deletes_nothing_of_another() {
    let service = Setup::new()
        .await
        .change(|settings| settings.list_limit_default = 2)
        .start()
        .await;
    let other = service.token("other");
    let body = json!({"url": "https://secret.example/", "alias": "theirs"});
    assert_eq!(
        service
            .send_as(&other, Method::POST, "/v1/links", &body)
            .await
            .status,
        201
    );
    assert!(
        !visit(&service, "/ui/shortener")
            .await
            .text()
            .contains("secret.example")
    );
    assert_eq!(
        submit(&service, "/ui/shortener/theirs/delete", "").await.status,
        303
    );
    assert_eq!(service.get("/theirs").await.status, 302, "still there");
    for number in 0..3 {
        service
            .make(json!({"url": format!("https://example.com/{number}")}))
            .await;
    }
    let first = visit(&service, "/ui/shortener").await;
    let older = first
        .text()
        .split("href=\"/ui/shortener?cursor=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let second = visit(&service, &format!("/ui/shortener?cursor={older}")).await;
    assert!(
        second.text().contains("https://example.com/0") && !second.text().contains("https://example.com/1")
    );
    assert_eq!(service.get("/ui/shortener/assets/style.css").await.status, 200);
}
