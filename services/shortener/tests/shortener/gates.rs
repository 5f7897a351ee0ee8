//! What a visit has to pass, and where it is led instead.

use std::time::Duration;

use clock::{Clock as _, ManualClock};
use http::Method;
use serde_json::{Value, json};
use shortener::Settings;

use crate::harness::{Answer, Service, Setup};

/// 2026-11-22T00:00:00Z.
const NOW_MS: u64 = 1_795_305_600_000;
const PRIVATE: &str = "private, no-store, max-age=0";
const PHONE: &str = "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0";
const COMPUTER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

async fn get_with(service: &Service, path: &str, headers: &[(&str, &str)]) -> Answer {
    service.request(Method::GET, path, headers, "").await
}

async fn patch(service: &Service, code: &str, body: Value) {
    let answer = service
        .send(Method::PATCH, &format!("/v1/links/{code}"), &body)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_begins_and_ends_in_time_and_leads_to_its_fallback_outside() {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().await.clock(clock.clone()).start().await;
    let times = json!({"active_from": "2026-11-22T00:00:05Z", "expires_at": "2026-11-22T00:00:09Z"});
    for (alias, fallback) in [("bare", Value::Null), ("kept", json!("https://example.com/over"))] {
        let mut body = times.clone();
        body["url"] = json!("https://example.com/");
        body["alias"] = json!(alias);
        body["fallback_url"] = fallback;
        service.make(body).await;
    }
    let check = async |refused: Option<(u16, &str)>| {
        let (bare, kept) = (service.get("/bare").await, service.get("/kept").await);
        let location = if refused.is_some() {
            "https://example.com/over"
        } else {
            "https://example.com/"
        };
        assert_eq!((kept.status, kept.header("location")), (302, Some(location)));
        assert_eq!(kept.header("cache-control"), Some(PRIVATE));
        match refused {
            Some((status, code)) => assert_eq!((bare.status, bare.code().as_str()), (status, code)),
            None => assert_eq!((bare.status, bare.header("location")), (302, Some(location))),
        }
    };
    check(Some((404, "link_not_active_yet"))).await;
    clock.advance(Duration::from_secs(5));
    check(None).await;
    clock.advance(Duration::from_secs(4));
    check(Some((410, "gone"))).await;
    assert_eq!(clock.unix_ms(), NOW_MS + 9_000);
    service.clicked("kept", 1).await;
    assert_eq!(
        service
            .metric(r#"shortener_redirects_total{outcome="fallback"}"#)
            .await,
        2,
        "what is led to a fallback is no click"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_link_leads_nowhere_until_it_is_restored() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "put-away"}))
        .await;
    assert_eq!(service.get("/put-away").await.status, 302);
    patch(&service, "put-away", json!({"archived": true})).await;
    let answer = service.get("/put-away").await;
    assert_eq!((answer.status, answer.code().as_str()), (410, "link_archived"));
    assert_eq!(answer.header("cache-control"), Some(PRIVATE));
    patch(&service, "put-away", json!({"archived": false})).await;
    assert_eq!(service.get("/put-away").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capped_link_is_followed_as_often_as_it_may_be_and_then_leads_to_its_fallback() {
    // A busy machine is not to look like a store that is slow.
    let patient = |settings: &mut Settings| settings.click_slots.wait_ms = 20_000;
    let service = Setup::new().await.change(patient).start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "few", "max_clicks": 3}))
        .await;
    let robot = [(
        "user-agent",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    )];
    for _ in 0..3 {
        let refused = get_with(&service, "/few", &robot).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "robot_refused"));
        assert_eq!(service.get("/few").await.status, 302);
    }
    let answer = service.get("/few").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (410, "click_cap_reached")
    );
    let probed = service.request(Method::HEAD, "/few", &[], "").await;
    assert_eq!(
        (probed.status, probed.header("location")),
        (410, None),
        "HEAD tells no more"
    );
    patch(
        &service,
        "few",
        json!({"fallback_url": "https://example.com/over"}),
    )
    .await;
    assert_eq!(
        service.get("/few").await.header("location"),
        Some("https://example.com/over")
    );
    service.clicked("few", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_are_led_by_country_and_device() {
    let setup = Setup::new()
        .await
        .change(|settings| settings.geo.country_header = "cf-ipcountry".to_owned());
    let service = setup.start().await;
    let destinations = json!([
        {"countries": ["DE"], "devices": ["mobile"], "url": "https://example.com/de-phone"},
        {"countries": ["de", "AT"], "url": "https://example.com/de"},
        {"devices": ["mobile"], "url": "https://example.com/phone"},
    ]);
    service
        .make(json!({"url": "https://example.com/", "alias": "routed", "destinations": destinations}))
        .await;
    for (country, agent, expected) in [
        ("DE", PHONE, "https://example.com/de-phone"),
        ("DE", COMPUTER, "https://example.com/de"),
        ("AT", PHONE, "https://example.com/de"),
        ("FR", PHONE, "https://example.com/phone"),
        ("FR", COMPUTER, "https://example.com/"),
        ("XX", COMPUTER, "https://example.com/"),
    ] {
        let headers = [("cf-ipcountry", country), ("user-agent", agent)];
        let answer = get_with(&service, "/routed", &headers).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, Some(expected)),
            "{country}"
        );
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_is_led_to_the_same_of_several_places_without_a_cookie() {
    let service = Service::start().await;
    let destinations = json!([
        {"weight": 1, "url": "https://example.com/a"},
        {"weight": 1, "url": "https://example.com/b"},
    ]);
    service
        .make(json!({"url": "https://example.com/", "alias": "shared-out", "destinations": destinations}))
        .await;
    let mut led = [0, 0];
    for host in 0..64 {
        let address = format!("192.0.2.{host}");
        let headers = [("x-forwarded-for", address.as_str()), ("user-agent", COMPUTER)];
        let first = get_with(&service, "/shared-out", &headers).await;
        let again = get_with(&service, "/shared-out", &headers).await;
        assert_eq!(first.header("location"), again.header("location"), "{address}");
        assert_eq!(first.header("set-cookie"), None);
        match first.header("location") {
            Some("https://example.com/a") => led[0] += 1,
            Some("https://example.com/b") => led[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(led.iter().all(|count| *count > 10), "{led:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_may_answer_only_where_the_link_allows_it_and_no_longer_than_it_lasts() {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().await.clock(clock.clone()).start().await;
    let caching = async |path: &str| {
        let answer = service.get(path).await;
        (answer.status, answer.header("cache-control").map(str::to_owned))
    };
    let public = |fresh_s, stale_s| {
        Some(format!(
            "public, max-age=0, s-maxage={fresh_s}, stale-while-revalidate={stale_s}"
        ))
    };
    service
        .make(json!({"url": "https://example.com/", "alias": "edge", "edge_cache_s": 60}))
        .await;
    assert_eq!(caching("/edge").await, (302, public(60, 30)));
    patch(&service, "edge", json!({"permanent": true})).await;
    assert_eq!(caching("/edge").await, (301, public(60, 30)));
    let ends = json!({"permanent": false, "expires_at": "2026-11-22T00:01:10Z"});
    patch(&service, "edge", ends).await;
    assert_eq!(caching("/edge").await, (302, public(60, 10)));
    clock.advance(Duration::from_secs(20));
    assert_eq!(caching("/edge").await, (302, public(50, 0)));
    clock.advance(Duration::from_secs(50));
    assert_eq!(caching("/edge").await, (410, Some(PRIVATE.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_pages_and_programs_problems() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "put-away", "archived": true}))
        .await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    for (path, status, words) in [
        ("/nowhere", 404, "No such link"),
        ("/no.code", 404, "No such link"),
        ("/put-away", 410, "This link is archived"),
    ] {
        let page = get_with(&service, path, &browser).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, Some("text/html; charset=utf-8"))
        );
        assert!(page.text().contains(words), "{path}");
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("default-src 'none'")
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let problem = service.get(path).await;
        assert_eq!(problem.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sent_gets_into_a_header_of_the_answer() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "plain"}))
        .await;
    for path in [
        "/plain%0d%0aSet-Cookie:%20a=b",
        "/plain%0aLocation:%20https://evil.example",
        "/plain+%0d%0aX:%20y",
        "/%0d%0aX:%20y+",
    ] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (404, None), "{path}");
        assert!(
            answer
                .headers
                .keys()
                .all(|name| name != "set-cookie" && name != "x"),
            "{answer:?}"
        );
    }
    // A query is never carried over: where a link leads is what was stored.
    let answer = service
        .get("/plain?url=https://evil.example&next=//evil.example")
        .await;
    assert_eq!(answer.header("location"), Some("https://example.com/"));
}
