//! The console in a browser, beside a platform in real trouble: somebody holds the lock of the links' database, so that whoever
//! makes a link waits until the store gives up.

use std::path::PathBuf;

use http::StatusCode;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use testkit::browser::Browser;
use testkit::http::{get, post};
use testkit::platform::{Options, Platform};
use tokio::task::JoinSet;

use super::looks::{look, look_without_log, wait_until};
use super::{sign_in, start_with};

/// Clients that go on asking, so that the short windows always have something in them.
const CLIENTS: usize = 2;
/// The objective that they are about. Others are red too while nothing can be written.
const OBJECTIVE: &str = "/ui/console/objectives/shortener-management-available";

/// The database whose write lock is held as long as this lives.
async fn hold_the_lock(path: PathBuf) -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .expect("the file of the links");
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while let Err(error) = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await {
        assert!(tokio::time::Instant::now() < until, "{error}");
    }
    connection
}

async fn make_link(home: &str, token: &str, key: &str) -> (StatusCode, String) {
    let made = post(
        format!("{home}/v1/links"),
        &json!({ "url": "https://www.rust-lang.org/" }),
    )
    .bearer(token)
    .header("idempotency-key", key)
    .send()
    .await;
    (
        made.status,
        made.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}

/// As in production, but quick: what takes an hour there takes a minute here.
fn quick() -> Options {
    let settings = [
        "console.slo_scale=60",
        "console.scrape_interval_ms=200",
        "telemetry.otlp_flush_interval_ms=100",
        "shortener.sqlite.write_deadline_ms=600",
    ];
    let set = |options: Options, setting: &&str| options.arg("--set").arg(setting);
    settings.iter().fold(Options::default(), set)
}

/// Requests that all is well for: every series of the metrics is there before the trouble begins.
async fn calm(home: &str, token: &str) {
    let (status, code) = make_link(home, token, "calm").await;
    assert_eq!(status, StatusCode::CREATED);
    for _ in 0..20 {
        assert_eq!(
            get(format!("{home}/{code}")).send().await.status,
            StatusCode::FOUND
        );
    }
}

/// Clients that want to make links, and are told that it cannot be done now. They end when this is dropped.
fn trouble(platform: &Platform, token: &str) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (home, token) = (platform.url(), token.to_owned());
        clients.spawn(async move {
            for request in 0_u32.. {
                let (status, _) = make_link(&home, &token, &format!("trouble-{client}-{request}")).await;
                assert!(!status.is_success(), "the lock is held");
            }
        });
    }
    clients
}

async fn open(browser: &Browser, home: &str) {
    browser.goto(home).await;
    browser.click("a.button[href='/ui/console']").await;
    sign_in(browser, "acme", "ada").await;
    browser.wait_for("#service-map").await;
}

#[tokio::test]
async fn from_a_red_objective_to_the_slow_span_in_three_clicks() {
    let test = "from_a_red_objective_to_the_slow_span_in_three_clicks";
    let Some((platform, browser)) = start_with(test, quick()).await else {
        return;
    };
    let home = platform.url();
    let token = platform
        .token("acme", "ann", &["links:read", "links:write"])
        .await;
    open(&browser, &home).await;
    calm(&home, &token).await;
    // By itself: the page is not loaded again.
    wait_until(
        &browser,
        "return document.querySelector('#service-map svg a[href$=\"/shortener\"]') !== null",
    )
    .await;
    let lock = hold_the_lock(platform.data().join("shortener.db")).await;
    let mut clients = trouble(&platform, &token);
    let red = format!(
        "return document.querySelector('#objectives tr:has(.badge.bad) a[href=\"{OBJECTIVE}\"]') !== null"
    );
    wait_until(&browser, &red).await;
    wait_until(
        &browser,
        "return /in trouble/.test(document.querySelector('#state').textContent)",
    )
    .await;
    look(&browser, "console-overview").await;

    // One: the red objective. Two: the trace that spent most. Three: the span that took longest.
    browser.click(&format!("#objectives a[href='{OBJECTIVE}']")).await;
    browser.wait_for("#spent-by tbody tr").await;
    look(&browser, "console-objective").await;
    browser.click("#spent-by tbody tr:first-child a").await;
    browser.wait_for(".timeline .picked").await;
    browser.click(".timeline .picked summary").await;

    assert!(browser.url().await.contains("/ui/console/traces/"));
    let named = browser.text(".timeline .picked .what").await;
    assert_eq!(named, "create_link", "whose lock is held");
    let opened = browser.text(".timeline .picked details[open] .inside").await;
    assert!(
        opened.contains("db.system.name") && opened.contains("sqlite"),
        "{opened}"
    );
    look(&browser, "console-trace").await;
    assert!(
        clients.try_join_next().is_none(),
        "nobody made a link under the lock"
    );
    drop((lock, clients));
    other_ways(&browser, &home).await;
}

/// The same trace by its id, the service by its name, and a trace that is not there.
async fn other_ways(browser: &Browser, home: &str) {
    let trace = browser.url().await;
    let id = trace
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned();
    browser
        .goto(&format!("{home}/ui/console/traces?status=5xx&service=gateway"))
        .await;
    browser.wait_for("#found tbody tr").await;
    look(browser, "console-traces").await;
    browser.fill("#trace_id", &id).await;
    browser.click("form:has(#trace_id) button").await;
    browser.wait_for_url(|url| url.ends_with(&id)).await;
    browser
        .goto(&format!("{home}/ui/console/services/shortener"))
        .await;
    browser.wait_for("#route-list tbody tr").await;
    look(browser, "console-service").await;
    browser
        .goto(&format!("{home}/ui/console/traces/{}", "0a".repeat(16)))
        .await;
    look_without_log(browser, "console-trace-missing").await;
}
