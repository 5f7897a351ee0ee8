//! Start page, sign in, make a link, see it, follow it, sign out: with nothing but a browser.

use std::time::Duration;

use http::StatusCode;
use testkit::browser::Browser;
use testkit::http::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{sign_in, start};

/// A page somewhere else, for a link to lead to.
async fn elsewhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/there", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            // A browser that goes away before it has asked is none of our business.
            let _ = peer.read(&mut request).await;
            let page = "<h1>You are there</h1>";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
            let _ = peer
                .write_all(format!("{head}content-length: {}\r\n\r\n{page}", page.len()).as_bytes())
                .await;
        }
    });
    url
}

/// Reloads until `css` says `text`.
async fn reload_until(browser: &Browser, url: &str, css: &str, text: &str) {
    let waiting = async {
        loop {
            browser.goto(url).await;
            if browser.text(css).await == text {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let shown = tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .is_ok();
    assert!(shown, "{css} never said {text}:\n{}", browser.body_text().await);
}

#[tokio::test]
async fn a_newcomer_signs_in_makes_a_link_sees_it_follows_it_and_signs_out() {
    let Some((platform, browser)) =
        start("a_newcomer_signs_in_makes_a_link_sees_it_follows_it_and_signs_out").await
    else {
        return;
    };
    let (home, there) = (platform.url(), elsewhere().await);
    browser.goto(&home).await;
    assert_eq!(browser.title().await, "Start · Orrery");
    for role in ["gateway", "issuer", "shortener"] {
        assert!(browser.text("#roles").await.contains(role), "{role} is shown");
    }

    browser.click(".who a").await;
    sign_in(&browser, "acme", "ada").await;
    browser.wait_for_url(|url| url.ends_with("/ui/shortener")).await;
    assert_eq!(browser.text(".who .name").await, "ada · acme");
    let cookie = browser.script("return document.cookie").await;
    assert_eq!(cookie, "", "scripts see no session");

    browser.fill("#url", &there).await;
    browser.fill("#alias", "first-light").await;
    browser.click("#new button[type=submit]").await;
    assert!(browser.text(".notice.good").await.contains("/first-light"));
    assert_eq!(browser.text("#links tbody tr td:nth-child(2)").await, there);
    let copies = "return [...document.querySelectorAll('button[data-copy]')].every(b => !b.hidden && b.dataset.copy.endsWith('/first-light'))";
    assert_eq!(
        browser.script(copies).await,
        true,
        "what can be copied is the short link"
    );

    browser.click("#links tbody a").await;
    browser.wait_for_url(|url| url == there).await;
    assert_eq!(browser.text("h1").await, "You are there");
    let list = format!("{home}/ui/shortener");
    reload_until(&browser, &list, "#links tbody td.number", "1").await;

    browser.click("#links tbody a.button").await;
    browser.click("#delete summary").await;
    browser.click("#delete button").await;
    browser.wait_for(".notice.good").await;
    assert_eq!(browser.count("#links tbody tr").await, 0);
    let gone = get(format!("{home}/first-light")).send().await;
    assert!(
        matches!(gone.status, StatusCode::NOT_FOUND | StatusCode::GONE),
        "{}",
        gone.status
    );

    browser.click(".who button").await;
    browser.wait_for(".who a").await;
    browser.goto(&list).await;
    browser.wait_for("#sign-in").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_tenant_makes_no_other_tenant_sees() {
    let Some((platform, browser)) = start("what_a_tenant_makes_no_other_tenant_sees").await else {
        return;
    };
    let there = elsewhere().await;
    browser.goto(&format!("{}/ui/shortener", platform.url())).await;
    sign_in(&browser, "acme", "ada").await;
    browser.fill("#url", &there).await;
    browser.fill("#alias", "only-acme").await;
    browser.click("#new button[type=submit]").await;
    assert!(browser.text("#links tbody").await.contains("only-acme"));
    browser.click(".who button").await;
    browser.wait_for(".who a").await;
    browser.goto(&format!("{}/ui/shortener", platform.url())).await;
    sign_in(&browser, "globex", "ada").await;
    browser.wait_for("#links .empty").await;
    assert_eq!(browser.count("#links tbody tr").await, 0);
}

#[tokio::test]
async fn cancelling_and_wrong_names_are_answered_kindly() {
    let Some((platform, browser)) = start("cancelling_and_wrong_names_are_answered_kindly").await else {
        return;
    };
    browser.goto(&format!("{}/ui/login", platform.url())).await;
    browser.wait_for("#sign-in").await;
    // The browser itself would stop this one; somebody with another client can send it.
    browser
        .script("document.querySelector('#sign-in form').noValidate = true")
        .await;
    sign_in(&browser, "acme", "not a name").await;
    assert!(browser.text("#user-error").await.contains("letters"));
    browser.click("#sign-in a").await;
    browser.wait_for_url(|url| url.contains("/ui/callback")).await;
    assert_eq!(
        browser.count(".notice.bad").await,
        1,
        "{}",
        browser.body_text().await
    );
    assert!(
        !browser.body_text().await.contains("{\"type\""),
        "a page, not a document for programs"
    );
}
