//! Where a tenant's links may lead, by its own rules.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, Setup, eventually};

const RULES: &str = "/v1/domain-rules";

async fn put(service: &Service, body: Value) -> Answer {
    service.send(Method::PUT, RULES, &body).await
}

async fn shorten(service: &Service, body: &Value) -> Answer {
    service.send(Method::POST, "/v1/links", body).await
}

#[tokio::test]
async fn rules_are_shown_as_they_are_kept_and_changed_over_what_was_seen() {
    let service = Service::start().await;
    let none = service.send(Method::GET, RULES, &Value::Null).await;
    assert_eq!(none.json(), json!({"allow": [], "deny": [], "revision": 0}));
    let kept = put(
        &service,
        json!({"allow": [], "deny": ["EVIL.example.", "bücher.example", "10.1"]}),
    )
    .await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let expected =
        json!({"allow": [], "deny": ["10.0.0.1", "evil.example", "xn--bcher-kva.example"], "revision": 1});
    assert_eq!(kept.json(), expected);
    assert_eq!(
        service.send(Method::GET, RULES, &Value::Null).await.json(),
        expected
    );
    let late = put(&service, json!({"allow": [], "deny": [], "revision": 0})).await;
    assert_eq!((late.status, late.code().as_str()), (409, "rules_changed"));
    let over = put(&service, json!({"allow": [], "deny": [], "revision": 1})).await;
    assert_eq!((over.status, over.json()["revision"].as_u64()), (200, Some(2)));
    let foreign = service
        .send_as(&service.token("globex"), Method::GET, RULES, &Value::Null)
        .await;
    assert_eq!(foreign.json()["revision"], 0);
}

#[tokio::test]
async fn every_url_of_a_link_keeps_to_the_rules_and_other_tenants_do_not_have_to() {
    let service = Service::start().await;
    let free = service
        .make(json!({"url": "https://evil.example/before", "alias": "before"}))
        .await;
    put(&service, json!({"allow": [], "deny": ["evil.example"]})).await;
    let evil = "https://www.evil.example./x";
    let good = "https://good.example/";
    let later = "2099-01-01T00:00:00Z";
    for (body, pointer) in [
        (json!({"url": evil}), "/url"),
        (
            json!({"url": good, "fallback_url": evil, "expires_at": later}),
            "/fallback_url",
        ),
        (
            json!({"url": good, "destinations": [{"countries": ["DE"], "url": evil}]}),
            "/destinations/0/url",
        ),
        (
            json!({"url": good, "destinations": [{"weight": 1, "url": good}, {"weight": 1, "url": evil}]}),
            "/destinations/1/url",
        ),
    ] {
        let refused = shorten(&service, &body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{body}"
        );
    }
    let made = service.make(json!({"url": good, "alias": "good"})).await;
    let change = service
        .send(Method::PATCH, "/v1/links/good", &json!({"url": evil}))
        .await;
    assert_eq!(change.pointers(), ["/url"]);
    assert_eq!(made["url"], good);
    let other = service
        .send_as(
            &service.token("globex"),
            Method::POST,
            "/v1/links",
            &json!({"url": evil}),
        )
        .await;
    assert_eq!(other.status, 201);
    // What was there before is followed as before, and may be changed but for its URL.
    assert_eq!(
        service.get("/before").await.header("location"),
        free["url"].as_str()
    );
    let titled = service
        .send(Method::PATCH, "/v1/links/before", &json!({"title": "Old"}))
        .await;
    assert_eq!(titled.status, 200);
}

#[tokio::test]
async fn an_allow_list_closes_everything_else_until_it_is_emptied() {
    let service = Service::start().await;
    put(
        &service,
        json!({"allow": ["example.com"], "deny": ["no.example.com"]}),
    )
    .await;
    for (url, status) in [
        ("https://example.com/", 201),
        ("https://a.example.com/", 201),
        ("https://no.example.com/", 422),
        ("https://example.org/", 422),
        ("https://example.com.evil.example/", 422),
    ] {
        assert_eq!(
            shorten(&service, &json!({"url": url})).await.status,
            status,
            "{url}"
        );
    }
    put(&service, json!({"allow": [], "deny": []})).await;
    assert_eq!(
        shorten(&service, &json!({"url": "https://example.org/"}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_refused_at_their_place() {
    let service = Setup::new()
        .await
        .change(|settings| settings.targets.domains_max = 3)
        .start()
        .await;
    let refused = put(
        &service,
        json!({"allow": ["ok.example", "https://x.example"], "deny": ["*.example"]}),
    )
    .await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.pointers(), ["/allow/1", "/deny/0"]);
    let many = put(
        &service,
        json!({"allow": ["a.example", "b.example"], "deny": ["c.example", "d.example"]}),
    )
    .await;
    assert_eq!((many.status, many.pointers()), (422, vec!["/deny".to_owned()]));
    assert_eq!(put(&service, json!({"allow": []})).await.status, 422);
    let reader = service.token_for("acme", "ada", "links:read");
    let forbidden = service
        .send_as(&reader, Method::PUT, RULES, &json!({"allow": [], "deny": []}))
        .await;
    assert_eq!(forbidden.status, 403);
    assert_eq!(service.get(RULES).await.status, 401);
}

#[tokio::test]
async fn a_known_bad_url_is_neither_stored_nor_followed_and_the_list_is_read_again_when_it_changes() {
    let setup = Setup::new().await;
    let file = setup.folder.path().join("bad-urls.txt");
    std::fs::write(&file, "# none yet\n").unwrap();
    let name = file.display().to_string();
    let service = setup
        .change(|settings| {
            settings.targets.bad_urls_file = name;
            settings.targets.bad_urls_interval_ms = 10;
        })
        .start()
        .await;
    let good = "https://good.example/";
    let links = [
        json!({"url": "https://evil.example/x", "alias": "plain"}),
        json!({"url": good, "alias": "sharing", "destinations": [{"weight": 1, "url": "https://evil.example/y"}]}),
        json!({"url": good, "alias": "waiting", "active_from": "2099-01-01T00:00:00Z", "fallback_url": "https://evil.example/z"}),
        json!({"url": "https://partly.example/bad/page", "alias": "partly"}),
        json!({"url": "https://partly.example/good/page", "alias": "rest"}),
    ];
    for link in &links {
        let alias = link["alias"].as_str().unwrap();
        service.make(link.clone()).await;
        assert_eq!(service.get(&format!("/{alias}")).await.status, 302, "{alias}");
    }
    std::fs::write(&file, "evil.example\nhttp://partly.example/bad/\n").unwrap();
    eventually("the list is read again", || async {
        service.get("/plain").await.status == 410
    })
    .await;
    for alias in ["plain", "sharing", "waiting", "partly"] {
        let refused = service.get(&format!("/{alias}")).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (410, "known_bad_url"),
            "{alias}"
        );
        assert_eq!(refused.header("location"), None);
        assert!(refused.header("cache-control").unwrap().contains("no-store"));
        let page = service
            .request(Method::GET, &format!("/{alias}"), &[("accept", "text/html")], "")
            .await;
        assert_eq!(page.status, 410);
        assert!(page.text().contains("<html"), "{}", page.text());
        assert!(!page.text().contains("evil.example"), "{}", page.text());
    }
    assert_eq!(service.get("/rest").await.status, 302);
    for (alias, said) in [
        ("plain", "blocked: known to be harmful"),
        ("sharing", "blocked: known to be harmful"),
        ("waiting", "partly blocked: known to be harmful"),
        ("rest", ">active<"),
    ] {
        let place = format!("/ui/shortener/{alias}");
        let page = service.send(Method::GET, &place, &Value::Null).await;
        assert!(page.text().contains(said), "{alias}: {}", page.text());
        assert_eq!(page.text().contains("known to be harmful"), alias != "rest");
    }
    let listed = service.send(Method::GET, "/ui/shortener", &Value::Null).await;
    assert_eq!(listed.text().matches("blocked: known to be harmful").count(), 4);
    let refused = shorten(&service, &json!({"url": "https://WWW.evil.example/"})).await;
    assert_eq!(refused.pointers(), ["/url"]);
    assert!(service.metric("shortener_bad_urls ").await == 2);
    std::fs::write(&file, "\n").unwrap();
    eventually("nothing is bad any more", || async {
        service.get("/plain").await.status == 302
    })
    .await;
}

#[tokio::test]
async fn without_the_list_that_it_is_told_of_the_service_does_not_start() {
    let setup = Setup::new().await;
    let file = setup.folder.path().join("missing.txt").display().to_string();
    let service = setup
        .change(|settings| settings.targets.bad_urls_file = file)
        .begin();
    let error = service.failure().await;
    assert!(error.to_string().contains("targets.bad_urls_file"), "{error}");
}
