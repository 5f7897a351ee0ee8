//! Who may do what, and that tenants do not see each other.

use http::Method;
use serde_json::{Value, json};

use crate::harness::Service;

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_link_is_not_there_on_any_endpoint() {
    let service = Service::start().await;
    let link = service
        .make(json!({"url": "https://example.com/", "alias": "mine"}))
        .await;
    let other = service.token("other");
    let sent =
        async |method: Method, body: Value| service.send_as(&other, method, "/v1/links/mine", &body).await;
    for answer in [
        sent(Method::GET, Value::Null).await,
        sent(Method::PATCH, json!({"url": "https://evil.example/"})).await,
        sent(Method::PATCH, json!({})).await,
        sent(Method::DELETE, Value::Null).await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    }
    let listed = service
        .send_as(&other, Method::GET, "/v1/links", &Value::Null)
        .await
        .json();
    assert_eq!(listed["items"], json!([]));
    assert_eq!(
        service
            .send(Method::GET, "/v1/links/mine", &Value::Null)
            .await
            .json(),
        link,
        "nothing changed"
    );
    assert_eq!(
        service.get("/mine").await.header("location"),
        Some("https://example.com/")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_one_tenant_shows_another_only_its_own() {
    let service = Service::start().await;
    let other = service.token("other");
    for number in 0..3 {
        let body = json!({"url": format!("https://example.com/{number}")});
        service.make(body.clone()).await;
        assert_eq!(
            service
                .send_as(&other, Method::POST, "/v1/links", &body)
                .await
                .status,
            201
        );
    }
    let mine = service
        .send(Method::GET, "/v1/links?limit=1", &Value::Null)
        .await
        .json();
    let path = format!("/v1/links?cursor={}", mine["next_cursor"].as_str().unwrap());
    let theirs = service
        .send_as(&other, Method::GET, &path, &Value::Null)
        .await
        .json();
    let own = service
        .send_as(&other, Method::GET, "/v1/links", &Value::Null)
        .await
        .json();
    let own = own["items"].as_array().unwrap();
    assert!(
        theirs["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|link| own.contains(link)),
        "{theirs}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_but_the_redirect_needs_a_good_token_with_its_scope() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "scoped"}))
        .await;
    let (reader, writer) = (
        service.token_for("acme", "ada", "links:read"),
        service.token_for("acme", "ada", "links:write"),
    );
    let create = json!({"url": "https://example.com/"});
    let calls = [
        (Method::POST, "/v1/links", create, false),
        (Method::GET, "/v1/links", Value::Null, true),
        (Method::GET, "/v1/links/scoped", Value::Null, true),
        (Method::PATCH, "/v1/links/scoped", json!({}), false),
        (Method::DELETE, "/v1/links/scoped", Value::Null, false),
    ];
    for (method, path, body, reads) in calls {
        let (may, may_not) = if reads {
            (&reader, &writer)
        } else {
            (&writer, &reader)
        };
        let refused = service.send_as(may_not, method.clone(), path, &body).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "insufficient_scope"),
            "{method} {path}"
        );
        let json = [("content-type", "application/json")];
        let anonymous = service
            .request(method.clone(), path, &json, &body.to_string())
            .await;
        assert_eq!(anonymous.status, 401, "{method} {path}");
        assert!(
            anonymous
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        let forged = service
            .send_as(&format!("{may}x"), method.clone(), path, &body)
            .await;
        assert_eq!(forged.status, 401, "{method} {path}");
        let answer = service.send_as(may, method.clone(), path, &body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    }
}
