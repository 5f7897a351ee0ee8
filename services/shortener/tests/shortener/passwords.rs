//! Links with a password.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use testkit::browser::{Browser, View};
use testkit::skips::skip;

use crate::engines::embedded_only;
use crate::harness::{Answer, Service, Setup, execute};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BROWSER: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

async fn with_password(service: &Service, path: &str, password: &str) -> Answer {
    service
        .request(Method::GET, path, &[("link-password", password)], "")
        .await
}

async fn submit(service: &Service, path: &str, form: &str, from: &str) -> Answer {
    let headers = [FORM, BROWSER, ("x-forwarded-for", from)];
    service.request(Method::POST, path, &headers, form).await
}

async fn locked() -> Service {
    let service = Setup::new()
        .await
        .change(|settings| settings.passwords.tries_max = 100)
        .start()
        .await;
    let body = json!({"url": "https://example.com/secret", "alias": "locked", "password": "open sesame"});
    service.make(body).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gives_the_password_in_a_header() {
    let service = locked().await;
    let asked = service.get("/locked").await;
    assert_eq!((asked.status, asked.code().as_str()), (401, "password_required"));
    assert_eq!(asked.header("www-authenticate"), Some("Link-Password"));
    assert_eq!(
        asked.header("cache-control"),
        Some("private, no-store, max-age=0")
    );
    let wrong = with_password(&service, "/locked", "open simsim").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "password_wrong"));
    for method in [Method::GET, Method::HEAD] {
        let right = service
            .request(method, "/locked", &[("link-password", "open sesame")], "")
            .await;
        assert_eq!(
            (right.status, right.header("location")),
            (302, Some("https://example.com/secret"))
        );
        assert_eq!(
            right.header("cache-control"),
            Some("private, no-store, max-age=0")
        );
    }
    service.clicked("locked", 1).await;
    assert_eq!(
        service.get("/locked").await.status,
        401,
        "nobody is let in by who was before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_on_a_page_and_led_on_by_its_form() {
    let service = locked().await;
    let page = service.request(Method::GET, "/locked", &[BROWSER], "").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (401, Some("text/html; charset=utf-8"))
    );
    assert!(
        page.text().contains(r#"<form method="post" action="/locked">"#),
        "{}",
        page.text()
    );
    assert!(
        !page.text().contains("example.com"),
        "where it leads is not told before"
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' http: https:"),
        "the form's answer leads elsewhere: {policy}"
    );
    assert!(!policy.contains("example.com"));

    let wrong = submit(&service, "/locked", "password=%3Cb%3E", "192.0.2.1").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("This is not the password") && !wrong.text().contains("<b>"));
    let right = submit(&service, "/locked", "password=open+sesame", "192.0.2.1").await;
    assert_eq!(
        (right.status, right.header("location")),
        (303, Some("https://example.com/secret"))
    );
    assert_eq!(right.header("set-cookie"), None);
    service.clicked("locked", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_no_such_link_are_answered_alike_after_the_same_work() {
    let service = locked().await;
    let bare = |answer: &Answer, code: &str| {
        let mut headers = answer.headers.clone();
        for each in ["x-request-id", "traceparent", "date", "content-length"] {
            headers.remove(each);
        }
        let mut said = answer.text().replace(code, "CODE");
        if let Ok(mut problem) = serde_json::from_str::<Value>(&said) {
            let fields = problem.as_object_mut().unwrap();
            fields.retain(|name, _| !["request_id", "trace_id", "instance"].contains(&name.as_str()));
            said = problem.to_string();
        }
        (answer.status, format!("{headers:?}"), said)
    };
    let (known, unknown) = ("locked", "nothere");
    let form = "password=guess";
    let headers = [FORM, ("x-forwarded-for", "192.0.2.1")];
    for code in [known, unknown] {
        let path = format!("/{code}");
        let answers = [
            submit(&service, &path, form, "192.0.2.1").await,
            service.request(Method::POST, &path, &headers, form).await,
            with_password(&service, &path, "guess").await,
        ];
        for answer in &answers {
            assert_eq!(answer.status, 401, "{code} {answer:?}");
        }
    }
    let pairs = [
        (
            submit(&service, "/locked", form, "192.0.2.1").await,
            submit(&service, "/nothere", form, "192.0.2.1").await,
        ),
        (
            with_password(&service, "/locked", "guess").await,
            with_password(&service, "/nothere", "guess").await,
        ),
    ];
    for (one, other) in pairs {
        assert_eq!(bare(&one, known), bare(&other, unknown));
    }
    // Each of them was checked against something: the work is the same, whatever a clock here would say.
    assert_eq!(service.metric("shortener_password_checks_total").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_few_tries_at_one_link_and_others_keep_theirs() {
    let service = Setup::new().await.start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "locked", "password": "sesame"}))
        .await;
    for code in ["/locked", "/nothere"] {
        for _ in 0..5 {
            assert_eq!(
                submit(&service, code, "password=guess", "192.0.2.1").await.status,
                401
            );
        }
        let refused = submit(&service, code, "password=sesame", "192.0.2.1").await;
        assert_eq!(refused.status, 429, "also the right one");
        assert!(refused.text().contains("Too many passwords"));
        assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
        let problem = service
            .request(
                Method::GET,
                code,
                &[("link-password", "sesame"), ("x-forwarded-for", "192.0.2.1")],
                "",
            )
            .await;
        assert_eq!(
            (problem.status, problem.code().as_str()),
            (429, "too_many_password_tries")
        );
    }
    let other = submit(&service, "/locked", "password=sesame", "192.0.2.2").await;
    assert_eq!(other.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_binds_at_once_and_without_one_the_link_is_open() {
    let service = locked().await;
    assert_eq!(
        with_password(&service, "/locked", "open sesame").await.status,
        302
    );
    let change = async |body: Value| {
        service
            .send(Method::PATCH, "/v1/links/locked", &body)
            .await
            .status
    };
    assert_eq!(change(json!({"password": "another one"})).await, 200);
    assert_eq!(
        with_password(&service, "/locked", "open sesame").await.status,
        401
    );
    assert_eq!(
        with_password(&service, "/locked", "another one").await.status,
        302
    );
    assert_eq!(change(json!({"password": null})).await, 200);
    assert_eq!(service.get("/locked").await.status, 302);
    let late = submit(&service, "/locked", "password=whatever", "192.0.2.1").await;
    assert_eq!(
        (late.status, late.header("location")),
        (303, Some("https://example.com/secret"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_read_is_refused_as_what_it_is() {
    let service = locked().await;
    for (content_type, body, status) in [
        ("application/json", r#"{"password":"open sesame"}"#, 415),
        (FORM.1, "pass=word", 422),
        (FORM.1, &"password=x&".repeat(20), 422),
        (FORM.1, &"password=x&".repeat(20_000), 413),
    ] {
        let answer = service
            .request(Method::POST, "/locked", &[("content-type", content_type)], body)
            .await;
        let _ = answer.code();
        assert_eq!(answer.status, status, "{answer:?}");
    }
    for path in ["/no.code", "/locked+"] {
        let answer = service.request(Method::POST, path, &[FORM], "password=x").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_a_password_is_its_hash() {
    if embedded_only("the file is looked into") {
        return;
    }
    let service = locked().await;
    let file = service.folder.path().join("shortener.db");
    execute(&file, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let bytes = std::fs::read(file).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("$argon2id$v=19$m=19456,t=2,p=1$") && !has("open sesame"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_asks_again_and_then_follows_to_another_site() {
    if let Err(why) = Browser::available() {
        skip("a_browser_asks_again_and_then_follows_to_another_site", &why);
        return;
    }
    // Another site: without the page's own policy the browser would not let the form's answer lead there.
    let (service, elsewhere) = (Service::start().await, Service::start().await);
    let target = format!("{}/nowhere", elsewhere.base);
    service
        .make(json!({"url": target, "alias": "locked", "password": "open sesame"}))
        .await;
    let browser = Browser::start().await;
    browser.goto(&format!("{}/locked", service.base)).await;
    for (suffix, view) in [("desk", View::DESK), ("phone", View::PHONE.dark())] {
        browser.view(view).await;
        let name = format!("../screenshots/link-password-{suffix}.png");
        browser
            .screenshot(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
            .await;
    }
    browser.view(View::DESK).await;
    browser.fill("#password", "open simsim").await;
    browser.press('\u{E007}').await;
    browser.wait_for("#password-error").await;
    browser.fill("#password", "open sesame").await;
    browser.click("button[type=submit]").await;
    browser.wait_for_url(|url| url == target).await;
    assert!(
        browser.body_text().await.contains("No such link"),
        "the other site's own page"
    );
}
