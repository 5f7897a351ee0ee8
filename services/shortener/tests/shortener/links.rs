//! Making and managing links.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, Setup};

async fn post(service: &Service, body: Value) -> Answer {
    service.send(Method::POST, "/v1/links", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_shown_and_followed() {
    let service = Service::start().await;
    let url = "https://example.com/a?b=c#d";
    let answer = post(&service, json!({"url": url, "tags": ["one", "two"]})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let link = answer.json();
    let code = link["code"].as_str().unwrap();
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/links/{code}").as_str())
    );
    assert_eq!(link["short_url"], format!("http://sho.rt/{code}"));
    assert_eq!(
        (&link["url"], &link["tags"]),
        (&json!(url), &json!(["one", "two"]))
    );
    assert!(
        link["id"]
            .as_str()
            .unwrap()
            .bytes()
            .all(|byte| byte.is_ascii_digit()),
        "{link}"
    );
    assert_eq!(
        (code.len(), code.as_bytes()[0].is_ascii_digit()),
        (7, true),
        "{code}"
    );

    let shown = service
        .send(Method::GET, &format!("/v1/links/{code}"), &Value::Null)
        .await;
    assert_eq!((shown.status, shown.json()), (200, link.clone()));
    let followed = service.get(&format!("/{code}")).await;
    assert_eq!((followed.status, followed.header("location")), (302, Some(url)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_claimed_once_and_is_free_again_after_a_delete() {
    let service = Service::start().await;
    let claim = |url: &'static str| json!({"url": url, "alias": "Spring-Sale_1"});
    assert_eq!(
        post(&service, claim("https://one.example/")).await.json()["code"],
        "Spring-Sale_1"
    );
    let refused = post(&service, claim("https://two.example/")).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "alias_taken"));
    assert_eq!(refused.pointers(), ["/alias"]);

    let path = "/v1/links/Spring-Sale_1";
    assert_eq!(service.get("/Spring-Sale_1").await.status, 302);
    assert_eq!(service.send(Method::DELETE, path, &Value::Null).await.status, 204);
    assert_eq!(
        service.get("/Spring-Sale_1").await.status,
        404,
        "at once, though it was remembered"
    );
    assert_eq!(
        service.send(Method::DELETE, path, &Value::Null).await.code(),
        "not_found"
    );
    assert_eq!(service.send(Method::GET, path, &Value::Null).await.status, 404);
    assert_eq!(post(&service, claim("https://two.example/")).await.status, 201);
    assert_eq!(
        service.get("/Spring-Sale_1").await.header("location"),
        Some("https://two.example/")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_racing_claims_exactly_one_wins() {
    let service = std::sync::Arc::new(Service::start().await);
    let tokens = [service.token("acme"), service.token("other")];
    let mut claims = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (service, token) = (std::sync::Arc::clone(&service), tokens[number % 2].clone());
        claims.spawn(async move {
            let url = format!("https://example.com/{number}");
            let body = json!({"url": url, "alias": "the-one"});
            (
                service.send_as(&token, Method::POST, "/v1/links", &body).await,
                url,
            )
        });
    }
    let answers = claims.join_all().await;
    let winners: Vec<&String> = answers
        .iter()
        .filter(|(answer, _)| answer.status == 201)
        .map(|(_, url)| url)
        .collect();
    let losers = answers
        .iter()
        .filter(|(answer, _)| answer.status == 409 && answer.code() == "alias_taken");
    assert_eq!((winners.len(), losers.count()), (1, 99));
    assert_eq!(
        service.get("/the-one").await.header("location"),
        Some(winners[0].as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_at_its_field_and_nothing_is_stored() {
    let service = Service::start().await;
    let ok = "https://example.com/";
    let many: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let cases = [
        (json!({"url": "javascript:alert(1)"}), "/url"),
        (json!({"url": "ftp://example.com"}), "/url"),
        (json!({"url": "/relative"}), "/url"),
        (json!({"url": ""}), "/url"),
        (json!({"url": "http://user:secret@example.com"}), "/url"),
        (json!({"url": "http://sho.rt/abc"}), "/url"),
        (json!({"url": "HTTP://SHO%2eRT./abc"}), "/url"),
        (json!({"url": format!("{}/loop", service.base)}), "/url"),
        (
            json!({"url": service.base.replace("127.0.0.1", "localhost")}),
            "/url",
        ),
        (json!({"url": service.admin.clone()}), "/url"),
        (json!({"url": format!("{ok}{}", "a".repeat(2_048))}), "/url"),
        (json!({"url": "https://example.com/\r\nSet-Cookie: a=b"}), "/url"),
        (json!({"url": 5}), "/url"),
        (json!({}), "/url"),
        (json!({"url": ok, "alias": "1aB2cD3"}), "/alias"),
        (json!({"url": ok, "alias": "metrics"}), "/alias"),
        (json!({"url": ok, "alias": "ab"}), "/alias"),
        (json!({"url": ok, "alias": "a/b"}), "/alias"),
        (json!({"url": ok, "alias": "a".repeat(65)}), "/alias"),
        (json!({"url": ok, "expires_at": "tomorrow"}), "/expires_at"),
        (
            json!({"url": ok, "expires_at": "2020-01-01T00:00:00Z"}),
            "/expires_at",
        ),
        (
            json!({"url": ok, "expires_at": "9999-01-01T00:00:00Z"}),
            "/expires_at",
        ),
        (
            json!({"url": ok, "permanent": true, "expires_at": "2099-01-01T00:00:00Z"}),
            "/expires_at",
        ),
        (json!({"url": ok, "permanent": null}), "/permanent"),
        (json!({"url": ok, "tags": many}), "/tags"),
        (json!({"url": ok, "tags": ["fine", ""]}), "/tags/1"),
        (json!({"url": ok, "tags": ["a".repeat(51)]}), "/tags/0"),
        (json!({"url": ok, "tags": ["a\u{7}"]}), "/tags/0"),
        (json!({"url": ok, "owner": "me"}), "/owner"),
    ];
    for (body, pointer) in cases {
        let answer = post(&service, body.clone()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (422, "invalid_request"),
            "{body}"
        );
        assert_eq!(answer.pointers(), [pointer], "{body}: {}", answer.json());
    }
    let both = post(&service, json!({"url": "x", "alias": "a"})).await;
    assert_eq!(
        both.pointers(),
        ["/url", "/alias"],
        "all that is wrong is told at once"
    );
    let listed = service.send(Method::GET, "/v1/links", &Value::Null).await.json();
    assert_eq!(listed, json!({"items": [], "next_cursor": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_for_the_whole_link_and_is_followed_at_once() {
    let service = Service::start().await;
    let link = service
        .make(json!({"url": "https://one.example/", "alias": "changes", "tags": ["a"]}))
        .await;
    let patch = async |body: Value| service.send(Method::PATCH, "/v1/links/changes", &body).await;
    assert_eq!(
        service.get("/changes").await.header("location"),
        Some("https://one.example/")
    );

    let changed = patch(json!({"url": "https://two.example/"})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        service.get("/changes").await.header("location"),
        Some("https://two.example/")
    );
    assert_eq!(
        (&changed.json()["tags"], &changed.json()["id"]),
        (&json!(["a"]), &link["id"])
    );

    let until = patch(json!({"expires_at": "2099-01-01T01:00:00+01:00", "tags": []}))
        .await
        .json();
    assert_eq!(
        (&until["expires_at"], &until["tags"]),
        (&json!("2099-01-01T00:00:00.000Z"), &json!([]))
    );
    assert_eq!(
        patch(json!({"permanent": true})).await.pointers(),
        ["/permanent"],
        "it has an expiry"
    );
    let permanent = patch(json!({"permanent": true, "expires_at": null})).await.json();
    assert_eq!(
        (&permanent["permanent"], &permanent["expires_at"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(service.get("/changes").await.status, 301);
    assert_eq!(
        patch(json!({"expires_at": "2099-01-01T00:00:00Z"}))
            .await
            .pointers(),
        ["/expires_at"]
    );

    assert_eq!(patch(json!({"url": "http://sho.rt/"})).await.pointers(), ["/url"]);
    assert_eq!(patch(json!({"code": "other"})).await.status, 422);
    assert_eq!(patch(json!({"url": null})).await.pointers(), ["/url"]);
    let unchanged = patch(json!({})).await.json();
    assert_eq!(unchanged["updated_at"], permanent["updated_at"]);
    assert_eq!(
        service.get("/changes").await.header("location"),
        Some("https://two.example/")
    );
    assert_eq!(
        service
            .send(Method::PATCH, "/v1/links/nobody", &json!({}))
            .await
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_different_parts_at_the_same_time_are_all_kept() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "busy"}))
        .await;
    let patch = async |body: Value| service.send(Method::PATCH, "/v1/links/busy", &body).await.status;
    for round in 0..10 {
        let url = json!({"url": format!("https://example.com/{round}")});
        let (first, second) = tokio::join!(patch(url), patch(json!({"tags": [round.to_string()]})));
        assert_eq!((first, second), (200, 200));
        let link = service
            .send(Method::GET, "/v1/links/busy", &Value::Null)
            .await
            .json();
        assert_eq!(link["url"], format!("https://example.com/{round}"));
        assert_eq!(link["tags"], json!([round.to_string()]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_pages_newest_first_without_gaps_or_repeats() {
    let service = Setup::new()
        .await
        .change(|settings| settings.list_limit_default = 3)
        .start()
        .await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(
            service
                .make(json!({"url": format!("https://example.com/{number}")}))
                .await["code"]
                .clone(),
        );
    }
    let page = async |query: &str| {
        service
            .send(Method::GET, &format!("/v1/links{query}"), &Value::Null)
            .await
    };
    let (mut seen, mut query) = (Vec::new(), String::new());
    loop {
        let listed = page(&query).await.json();
        seen.extend(
            listed["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|link| link["code"].clone()),
        );
        // Made between two pages: newer than all that is still to come.
        service.make(json!({"url": "https://example.com/later"})).await;
        match listed["next_cursor"].as_str() {
            Some(cursor) => query = format!("?cursor={cursor}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made);
    assert_eq!(
        page("?limit=100").await.json()["items"].as_array().unwrap().len(),
        10
    );
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=-1",
        "?limit=x",
        "?cursor=x",
        "?cursor=",
        "?limit=1&limit=2",
    ] {
        assert_eq!(page(query).await.status, 422, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_said_to_be_so() {
    let service = Service::start().await;
    let bearer = format!("Bearer {}", service.token("acme"));
    let json = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let text = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let sent = async |headers: &[(&str, &str)], body: &str| {
        let answer = service.request(Method::POST, "/v1/links", headers, body).await;
        (answer.status, answer.code())
    };
    assert_eq!(sent(&json, "{").await, (400, "malformed_json".to_owned()));
    assert_eq!(sent(&json, "").await, (400, "malformed_json".to_owned()));
    assert_eq!(
        sent(&text, "{}").await,
        (415, "unsupported_media_type".to_owned())
    );
    assert_eq!(
        sent(&json, &" ".repeat(70_000)).await,
        (413, "payload_too_large".to_owned())
    );
    let put = service.request(Method::PUT, "/v1/links", &json, "{}").await;
    assert_eq!((put.status, put.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(service.get("/v1/nothing").await.code(), "not_found");
}
