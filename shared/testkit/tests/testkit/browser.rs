//! The browser itself, on a page the test serves.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use testkit::browser::{Browser, View};
use testkit::skips::skip;

const PAGE: &str = "<!doctype html><title>T</title><meta name=viewport content='width=device-width'><style>@media (prefers-color-scheme: dark) { h1 { color: rgb(1, 2, 3) } }</style>\
    <h1>Hello</h1><form action='/sent'><input name=a value=old><button>Go</button></form>";

#[tokio::test]
async fn a_form_is_filled_sent_and_seen() {
    if let Err(why) = Browser::available() {
        return skip("a_form_is_filled_sent_and_seen", &why);
    }
    let router = Router::new().route("/", get(async || Html(PAGE))).route(
        "/sent",
        get(async |uri: http::Uri| Html(format!("<p id=q>{}</p>", uri.query().unwrap_or_default()))),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, router).into_future());

    let browser = Browser::start().await;
    browser.goto(&url).await;
    assert_eq!(
        (browser.title().await, browser.text("h1").await),
        ("T".to_owned(), "Hello".to_owned())
    );
    let colour = "return getComputedStyle(document.querySelector('h1')).color";
    assert_eq!(browser.script(colour).await, "rgb(0, 0, 0)");
    browser.view(View::PHONE.dark()).await;
    assert_eq!(browser.script(colour).await, "rgb(1, 2, 3)");
    assert_eq!(browser.script("return innerWidth").await, 360);
    browser.fill("input", "new").await;
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("deep/page.png");
    browser.screenshot(&picture).await;
    assert!(
        std::fs::read(&picture)
            .expect("a picture")
            .starts_with(b"\x89PNG")
    );
    browser.click("button").await;
    assert_eq!(browser.text("#q").await, "a=new");
    assert!(browser.url().await.ends_with("/sent?a=new"));
    assert_eq!(browser.count("h1").await, 0);
}
