//! What a newcomer sees first.

use axum::Router;
use axum::routing::get;

use crate::client::{ask, get as ask_get};
use crate::front::{Front, Plan};
use crate::upstreams;

#[tokio::test]
async fn the_start_page_says_what_runs_and_how_to_begin() {
    let front = Front::before(upstreams::down().await).await;
    let reply = ask_get(front.addr, "/").await;
    let page = reply.text();
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(reply.header("content-security-policy").is_some());
    for part in [
        "gateway",
        "issuer",
        "shortener",
        "payment",
        "processor",
        "/ui/shortener",
        "/ui/login",
        "orrery token --tenant acme --user ada",
    ] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    let url = format!("http://{}", front.addr);
    let commands = (
        page.matches("curl -s").count(),
        page.matches(&format!("{url}/")).count(),
    );
    assert_eq!(commands, (3, 3), "three lines to paste: {page}");
    assert!(page.contains(">ready<") && page.contains(">down<"), "{page}");
}

#[tokio::test]
async fn a_role_that_is_not_ready_or_silent_is_shown_as_such_and_holds_nothing_up() {
    let not_ready = upstreams::serve(
        Router::new().route("/readyz", get(|| async { http::StatusCode::SERVICE_UNAVAILABLE })),
    );
    let (silent, _) = upstreams::scripted(b"", false).await;
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.settings.admin.issuer = format!("http://{}", not_ready.await);
    plan.settings.admin.shortener = format!("http://{silent}");
    plan.settings.start_page_probe_ms = 100;
    let front = plan.start();
    let page = ask_get(front.addr, "/").await.text();
    assert!(page.contains(">not ready<") && page.contains(">down<"), "{page}");
}

#[tokio::test]
async fn a_processor_that_is_not_ours_is_not_shown_and_one_that_is_ours_is_asked() {
    let ready = upstreams::serve(Router::new().route("/readyz", get(|| async { "ready" }))).await;
    for (address, shown) in [(format!("http://{ready}"), true), (String::new(), false)] {
        let mut plan = Plan::with(upstreams::down().await).await;
        plan.settings.admin.processor = address;
        let page = ask_get(plan.start().addr, "/").await.text();
        assert_eq!(page.contains("processor"), shown, "{page}");
        // The gateway itself, the issuer, and the processor.
        assert_eq!(page.matches(">ready<").count(), 2 + usize::from(shown), "{page}");
    }
}

#[tokio::test]
async fn a_session_that_is_not_good_is_shown_as_none() {
    let front = Front::before(upstreams::echo().await).await;
    let cookie = format!("Cookie: orrery_session_{}=forged", front.addr.port());
    let page = ask(front.addr, &["GET / HTTP/1.1", &cookie], b"").await.text();
    assert!(page.contains("Sign in") && !page.contains("Sign out"), "{page}");
}

#[tokio::test]
async fn what_browsers_and_crawlers_ask_for_unasked_is_answered_here() {
    let front = Front::before(upstreams::down().await).await;
    assert_eq!(ask_get(front.addr, "/favicon.ico").await.status, 204);
    let robots = ask_get(front.addr, "/robots.txt").await;
    assert_eq!(
        (robots.status, robots.text().contains("Disallow: /")),
        (200, true)
    );
    assert_eq!(
        ask_get(front.addr, "/ui/gateway/assets/style.css").await.status,
        200
    );
}
