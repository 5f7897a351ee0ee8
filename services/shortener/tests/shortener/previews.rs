//! Looking before following.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service};

async fn preview(service: &Service, path: &str) -> Answer {
    let answer = service.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plus_behind_a_link_tells_where_it_leads_and_counts_nothing() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/a?b=c", "alias": "look"}))
        .await;
    for path in ["/look+", "/look%2B", "/%6cook+"] {
        let answer = preview(&service, path).await;
        assert_eq!(answer.header("location"), None);
        assert_eq!(
            answer.header("cache-control"),
            Some("private, no-store, max-age=0")
        );
        let expected = json!({
            "code": "look", "short_url": "http://sho.rt/look", "state": "open", "url": "https://example.com/a?b=c",
            "host": "example.com", "international": false, "varies": false, "permanent": false,
        });
        assert_eq!(answer.json(), expected);
    }
    for path in ["/nowhere+", "/+", "/look++", "/lo.ok+"] {
        let answer = service.get(path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    service.get("/look").await;
    service.clicked("look", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_password_or_a_cap_keeps_is_not_told() {
    let service = Service::start().await;
    for (alias, name, value, state) in [
        ("locked", "password", json!("sesame"), "password"),
        ("few", "max_clicks", json!(1), "limited"),
        ("put-away", "archived", json!(true), "archived"),
        ("later", "active_from", json!("2060-01-01T00:00:00Z"), "not_yet"),
    ] {
        service
            .make(json!({"url": "https://secret.example/", "alias": alias, name: value}))
            .await;
        let answer = preview(&service, &format!("/{alias}+")).await;
        let told = answer.json();
        assert_eq!(
            (&told["state"], &told["url"], &told["host"]),
            (&json!(state), &Value::Null, &Value::Null)
        );
        let browser = [("accept", "text/html")];
        let page = service
            .request(Method::GET, &format!("/{alias}+"), &browser, "")
            .await;
        assert!(
            page.status == 200 && !page.text().contains("secret.example"),
            "{alias}"
        );
    }
    assert_eq!(service.get("/few").await.status, 302, "looking took no click");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_may_look_like_another_is_shown_as_computers_spell_it() {
    let service = Service::start().await;
    // The first letter is Cyrillic.
    service
        .make(json!({"url": "https://\u{430}pple.example/", "alias": "lookalike"}))
        .await;
    let told = preview(&service, "/lookalike+").await.json();
    assert_eq!(told["international"], true);
    assert_eq!(told["host"], "xn--pple-43d.example");
    let page = service
        .request(Method::GET, "/lookalike+", &[("accept", "text/html")], "")
        .await;
    assert!(page.text().contains("xn--pple-43d.example") && page.text().contains("Look twice"));
    assert!(!page.text().contains('\u{430}'));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_a_url_as_text() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/<script>alert('x')</script>?\"a&b", "alias": "odd"}))
        .await;
    let page = service
        .request(Method::GET, "/odd+", &[("accept", "text/html")], "")
        .await;
    assert_eq!(page.header("vary"), Some("accept"));
    assert!(!page.text().contains("<script"), "{}", page.text());
}
