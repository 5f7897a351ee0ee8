//! Statistics over HTTP: from a redirect with its headers to what is answered about it.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use shortener::Settings;

use crate::harness::{Answer, Service, Setup, eventually};

const PHONE: &str = "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0";
const COMPUTER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const ROBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Follows a link as somebody.
async fn follow(service: &Service, code: &str, headers: &[(&str, &str)]) {
    let answer = service
        .request(Method::GET, &format!("/{code}"), headers, "")
        .await;
    assert_eq!(answer.status, 302, "{answer:?}");
}

async fn ask(service: &Service, tenant: &str, path: &str) -> Answer {
    service
        .send_as(&service.token(tenant), Method::GET, path, &Value::Null)
        .await
}

/// Waits until so many clicks and robots are in the statistics of `acme`.
async fn stats(service: &Service, path: &str, clicks: u64, bots: u64) -> Value {
    eventually("they are in the statistics", async || {
        let body = ask(service, "acme", path).await.json();
        body["clicks"] == clicks && body["bots"] == bots
    })
    .await;
    ask(service, "acme", path).await.json()
}

fn shares(breakdown: &Value) -> BTreeMap<String, u64> {
    let items = breakdown["items"].as_array().unwrap();
    let share = |item: &Value| {
        (
            item["name"].as_str().unwrap().to_owned(),
            item["clicks"].as_u64().unwrap(),
        )
    };
    items.iter().map(share).collect()
}

fn sum(values: &Value, field: &str) -> u64 {
    let points = values.as_array().unwrap().iter();
    points
        .map(|point| if field.is_empty() { point } else { &point[field] })
        .map(|clicks| clicks.as_u64().unwrap())
        .sum()
}

/// Three people, five clicks, and two visits of a robot on `seen`; one more click on `other`.
async fn followed(change: impl FnOnce(&mut Settings)) -> Service {
    let service = Setup::new().await.change(change).start().await;
    for alias in ["seen", "other"] {
        service
            .make(json!({"url": "https://example.com/", "alias": alias}))
            .await;
    }
    let phone = [
        ("user-agent", PHONE),
        ("x-forwarded-for", "192.0.2.1"),
        ("referer", "https://www.news.example/item?id=1"),
        ("x-country", "DE"),
    ];
    let computer = [
        ("user-agent", COMPUTER),
        ("x-forwarded-for", "192.0.2.2"),
        ("x-country", "fr"),
    ];
    let program = [("user-agent", "curl/8.14.1"), ("x-forwarded-for", "192.0.2.1")];
    let robot = [("user-agent", ROBOT), ("x-forwarded-for", "192.0.2.3")];
    for headers in [&phone[..], &phone, &computer, &computer, &program, &robot, &robot] {
        follow(&service, "seen", headers).await;
    }
    follow(&service, "other", &computer).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn who_followed_a_link_is_told_apart_and_robots_and_looks_are_no_clicks() {
    let service = followed(|settings| settings.geo.country_header = "X-Country".to_owned()).await;
    let look = [("user-agent", PHONE), ("x-forwarded-for", "198.51.100.9")];
    service.request(Method::HEAD, "/seen", &look, "").await;
    let body = stats(&service, "/v1/links/seen/stats", 5, 2).await;
    assert_eq!(body["uniques"], 3, "{body}");
    assert_eq!(body["late"], 0);
    assert_eq!(body["granularity"], "hour");
    assert_eq!(sum(&body["series"], "clicks"), 5);
    assert_eq!(body["series"].as_array().unwrap().len(), 7 * 24 + 1);
    let minutes = &body["last_60_minutes"];
    assert_eq!((sum(&minutes["minutes"], ""), &minutes["clicks"]), (5, &json!(5)));
    let expected = |pairs: &[(&str, u64)]| {
        let pairs = pairs.iter().map(|(name, clicks)| ((*name).to_owned(), *clicks));
        pairs.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        shares(&body["devices"]),
        expected(&[("mobile", 2), ("desktop", 2), ("other", 1)])
    );
    assert_eq!(
        shares(&body["browsers"]),
        expected(&[("firefox", 2), ("chrome", 2), ("other", 1)])
    );
    assert_eq!(shares(&body["referrers"]), expected(&[("news.example", 2)]));
    assert_eq!(body["referrers"]["unknown"], 3);
    assert_eq!(shares(&body["countries"]), expected(&[("DE", 2), ("FR", 2)]));
    assert_eq!(body["countries"]["unknown"], 1);
    // The link itself counts people only, too.
    let link = ask(&service, "acme", "/v1/links/seen").await.json();
    assert_eq!(link["clicks"], 5, "{link}");
    // A range that is over has none of it.
    let before = "/v1/links/seen/stats?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let body = ask(&service, "acme", before).await.json();
    assert_eq!((&body["clicks"], &body["bots"]), (&json!(0), &json!(0)));
    assert_eq!(body["last_60_minutes"]["clicks"], 5, "whatever the range");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_all_its_links_together_and_which_are_followed_most() {
    let service = followed(|_| {}).await;
    let body = stats(
        &service,
        "/v1/stats?granularity=minute&from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z",
        0,
        0,
    )
    .await;
    assert_eq!(body["series"].as_array().unwrap().len(), 60);
    let body = stats(&service, "/v1/stats", 6, 2).await;
    assert_eq!(body["uniques"], 3, "who follows two links is one visitor: {body}");
    let top = ask(&service, "acme", "/v1/stats/top").await.json();
    let items = top["items"].as_array().unwrap();
    let ranked: Vec<(&Value, &Value)> = items
        .iter()
        .map(|item| (&item["code"], &item["clicks"]))
        .collect();
    assert_eq!(
        ranked,
        [(&json!("seen"), &json!(5)), (&json!("other"), &json!(1))],
        "{top}"
    );
    assert!(items[0]["short_url"].as_str().unwrap().ends_with("/seen"));
    let top = ask(&service, "acme", "/v1/stats/top?limit=1").await.json();
    assert_eq!(top["items"].as_array().unwrap().len(), 1);
    assert_eq!(top["missing_max"], 1, "{top}");
    let table = ask(&service, "acme", "/v1/stats/top?format=csv&limit=1").await;
    assert!(
        table.text().starts_with("code,short_url,id,clicks\r\nseen,http"),
        "{table:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_link_is_not_among_those_that_are_followed_most_though_its_alias_is_anothers_now() {
    let service = followed(|_| {}).await;
    stats(&service, "/v1/stats", 6, 2).await;
    let deleted = service.send(Method::DELETE, "/v1/links/seen", &Value::Null).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    service
        .make(json!({"url": "https://example.com/", "alias": "seen"}))
        .await;
    for query in ["", "?limit=1"] {
        let top = ask(&service, "acme", &format!("/v1/stats/top{query}"))
            .await
            .json();
        let items = top["items"].as_array().unwrap();
        let codes: Vec<&Value> = items.iter().map(|item| &item["code"]).collect();
        assert_eq!(codes, [&json!("other")], "{top}");
        assert_eq!(top["missing_max"], 0, "{top}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_as_csv_say_the_same() {
    let service = followed(|_| {}).await;
    stats(&service, "/v1/links/seen/stats", 5, 2).await;
    let by_format = ask(&service, "acme", "/v1/links/seen/stats?format=csv").await;
    assert_eq!(
        by_format.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let authorization = format!("Bearer {}", service.token("acme"));
    let headers = [("authorization", authorization.as_str()), ("accept", "text/csv")];
    let by_accept = service
        .request(Method::GET, "/v1/links/seen/stats", &headers, "")
        .await;
    assert_eq!(by_accept.header("vary"), Some("accept"));
    for answer in [by_format, by_accept] {
        let mut rows = answer
            .text()
            .lines()
            .map(|row| row.split(',').collect::<Vec<_>>());
        assert_eq!(rows.next().unwrap(), ["metric", "key", "value"]);
        let rows: Vec<_> = rows.collect();
        for row in [
            ["clicks", "", "5"],
            ["uniques", "", "3"],
            ["bots", "", "2"],
            ["devices", "mobile", "2"],
            ["referrers", "news.example", "2"],
            ["referrers", "(unknown)", "3"],
        ] {
            assert!(
                rows.iter().any(|found| *found == row),
                "{row:?} in {}",
                answer.text()
            );
        }
        let sum = |metric: &str| -> u64 {
            let of_metric = rows.iter().filter(|row| row[0] == metric);
            of_metric.map(|row| row[2].parse::<u64>().unwrap()).sum()
        };
        assert_eq!((sum("series"), sum("last_60_minutes")), (5, 5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_of_one_tenant_are_not_there_for_another() {
    let service = followed(|_| {}).await;
    stats(&service, "/v1/stats", 6, 2).await;
    let link = ask(&service, "umbrella", "/v1/links/seen/stats").await;
    assert_eq!((link.status, link.code().as_str()), (404, "not_found"));
    let all = ask(&service, "umbrella", "/v1/stats").await.json();
    assert_eq!((&all["clicks"], &all["bots"]), (&json!(0), &json!(0)));
    let top = ask(&service, "umbrella", "/v1/stats/top").await.json();
    assert_eq!(top["items"], json!([]));
    for path in ["/v1/links/seen/stats", "/v1/stats", "/v1/stats/top"] {
        let writer = service.token_for("acme", "ada", "links:write");
        let refused = service.send_as(&writer, Method::GET, path, &Value::Null).await;
        assert_eq!(refused.code(), "insufficient_scope", "{path}");
        assert_eq!(service.get(path).await.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused_with_the_parameter() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "asked"}))
        .await;
    for query in [
        "from=yesterday",
        "to=2026-13-01T00:00:00Z",
        "granularity=week",
        "format=xml",
        "from=2026-11-22T10:00:00Z&to=2026-11-22T10:00:00Z",
        "from=1960-01-01T00:00:00Z",
        "granularity=minute&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
        "from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
    ] {
        for path in ["/v1/links/asked/stats", "/v1/stats"] {
            let refused = ask(&service, "acme", &format!("{path}?{query}")).await;
            assert_eq!(refused.status, 422, "{path}?{query}: {refused:?}");
            refused.code();
        }
    }
    for query in ["limit=0", "limit=101", "from=soon"] {
        let refused = ask(&service, "acme", &format!("/v1/stats/top?{query}")).await;
        assert_eq!(refused.status, 422, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_analytics_off_only_clicks_are_counted() {
    let service = followed(|settings| {
        settings.clicks.analytics = serde_json::from_value(json!("off")).unwrap();
    })
    .await;
    let body = stats(&service, "/v1/links/seen/stats", 7, 0).await;
    assert_eq!(body["uniques"], 0, "{body}");
    assert_eq!(shares(&body["devices"]), [("other".to_owned(), 7)].into());
    assert_eq!(body["referrers"]["unknown"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_countries_says_where_visits_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countries.csv");
    std::fs::write(&path, "192.0.2.0,192.0.2.1,AT\n").unwrap();
    let service = followed(|settings| settings.geo.file = path.display().to_string()).await;
    let body = stats(&service, "/v1/links/seen/stats", 5, 2).await;
    assert_eq!(
        shares(&body["countries"]),
        [("AT".to_owned(), 3)].into(),
        "{body}"
    );
    assert_eq!(body["countries"]["unknown"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_countries_that_cannot_be_read_keeps_the_service_from_starting() {
    let setup = Setup::new().await;
    let missing = "no/such/countries.csv";
    let failure = setup
        .change(|settings| settings.geo.file = missing.to_owned())
        .begin()
        .failure()
        .await;
    assert_eq!(failure.code(), "setting_refused");
    let said = failure.to_string();
    assert!(
        said.contains("shortener.geo.file") && said.contains(missing),
        "{said}"
    );
}
