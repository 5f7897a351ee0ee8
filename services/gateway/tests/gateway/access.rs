//! Tokens, sessions and forged requests.

use crate::client::{ask, get};
use crate::front::{Front, Plan, token};
use crate::upstreams;
use clock::Clock as _;
use identity::SigningKey;

#[tokio::test]
async fn without_a_good_token_the_upstream_is_not_asked() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let forged = token(
        &SigningKey::generate(),
        &format!("http://{}", front.addr),
        "acme",
        front.clock.unix_ms(),
    );
    let elsewhere = token(&front.key, "http://elsewhere", "acme", front.clock.unix_ms());
    let lines = [
        "X-Nothing: 1".to_owned(),
        "Authorization: Basic dTpw".to_owned(),
        "Authorization: Bearer not.a.token".to_owned(),
        format!("Authorization: Bearer {forged}"),
        format!("Authorization: Bearer {elsewhere}"),
        format!("{}\r\n{}", front.bearer("acme"), front.bearer("acme")),
    ];
    for line in &lines {
        let reply = ask(front.addr, &["GET /v1/links HTTP/1.1", line], b"").await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "unauthenticated"),
            "{line}"
        );
        assert!(
            reply
                .header("www-authenticate")
                .expect("a challenge")
                .starts_with("Bearer realm=\"orrery\"")
        );
        assert_eq!(reply.header("ratelimit"), None, "nobody's bucket was touched");
    }
    let old = front.bearer("acme");
    front.advance(16 * 60 * 1_000);
    assert_eq!(
        ask(front.addr, &["GET /v1/links HTTP/1.1", &old], b"")
            .await
            .status,
        401,
        "it has expired"
    );
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_the_issuers_keys_a_token_is_503_and_redirects_go_on() {
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.settings.upstreams.issuer = format!("http://{}", upstreams::down().await);
    let front = plan.start();
    let reply = ask(
        front.addr,
        &["GET /v1/links HTTP/1.1", &front.bearer("acme")],
        b"",
    )
    .await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "issuer_unavailable"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(get(front.addr, "/code").await.status, 200);
    let ready = get(front.admin, "/readyz").await;
    assert_eq!(ready.status, 200, "the gateway itself can work");
}

#[tokio::test]
async fn slow_keys_are_503_in_bounded_time() {
    let (silent, _) = upstreams::scripted(b"", false).await;
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.settings.upstreams.issuer = format!("http://{silent}");
    plan.settings.tokens.fetch_timeout_ms = 100;
    let front = plan.start();
    let reply = ask(
        front.addr,
        &["GET /v1/links HTTP/1.1", &front.bearer("acme")],
        b"",
    )
    .await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "issuer_unavailable"));
    assert_eq!(
        get(front.addr, "/code").await.status,
        200,
        "what needs no token is not held up"
    );
}

#[tokio::test]
async fn known_keys_outlive_their_issuer() {
    let key = SigningKey::generate();
    let body = serde_json::to_string(&identity::Jwks::of([&key])).expect("a key set");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let (issuer, asked) = upstreams::scripted_once(answer.into_bytes()).await;
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.key = key;
    plan.settings.upstreams.issuer = format!("http://{issuer}");
    let front = plan.start();
    for tenant in ["acme", "globex", "initech"] {
        assert_eq!(
            ask(
                front.addr,
                &["GET /v1/links HTTP/1.1", &front.bearer(tenant)],
                b""
            )
            .await
            .status,
            200
        );
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_session_becomes_a_bearer_token_and_the_cookie_stays_here() {
    let front = Front::before(upstreams::echo().await).await;
    let token = front.token("acme");
    let cookie = format!(
        "Cookie: theme=dark; orrery_session_{}={token}; orrery_session_1={token}; orrery_sign_in_1=x",
        front.addr.port()
    );
    for path in ["/v1/links", "/ui/shortener", "/ui/shortener/x"] {
        let reply = ask(front.addr, &[&format!("GET {path} HTTP/1.1"), &cookie], b"").await;
        let headers = &reply.json()["headers"];
        assert_eq!(headers["authorization"][0], format!("Bearer {token}"));
        assert_eq!(headers["cookie"], serde_json::json!(["theme=dark"]));
    }
    let open = ask(front.addr, &["GET /code HTTP/1.1", &cookie], b"")
        .await
        .json();
    assert!(
        open["headers"]["authorization"].is_null(),
        "a redirect needs no token and gets none"
    );
    assert_eq!(open["headers"]["cookie"], serde_json::json!(["theme=dark"]));
}

#[tokio::test]
async fn a_header_wins_over_the_session_even_when_it_is_wrong() {
    let front = Front::before(upstreams::echo().await).await;
    let lines = [
        "GET /v1/links HTTP/1.1",
        &front.session("acme"),
        "Authorization: Bearer wrong",
    ];
    assert_eq!(ask(front.addr, &lines, b"").await.status, 401);
}

#[tokio::test]
async fn a_change_by_session_must_come_from_our_own_page() {
    let (upstream, asked) = upstreams::counting_echo().await;
    let front = Front::before(upstream).await;
    let session = front.session("acme");
    let change = async |method: &str, more: &[&str]| {
        let line = format!("{method} /ui/shortener HTTP/1.1");
        let lines = [&[line.as_str(), &session, "Content-Length: 0"], more].concat();
        let reply = ask(front.addr, &lines, b"").await;
        if reply.status == 200 {
            "passed".to_owned()
        } else {
            reply.code()
        }
    };
    let refused: [&[&str]; 6] = [
        &[],
        &["Origin: http://evil.example"],
        &["Origin: null"],
        &["Origin: http://127.0.0.1:1"],
        &["Sec-Fetch-Site: cross-site"],
        &["Origin: http://evil.example", "Sec-Fetch-Site: same-origin"],
    ];
    for more in refused {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(change(method, more).await, "csrf", "{method} {more:?}");
        }
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(
        change("POST", &[&format!("Origin: http://{}", front.addr)]).await,
        "passed"
    );
    assert_eq!(change("DELETE", &["Sec-Fetch-Site: same-origin"]).await, "passed");
    assert_eq!(
        change("GET", &["Origin: http://evil.example"]).await,
        "passed",
        "reading changes nothing"
    );

    let by_header = [
        "POST /v1/links HTTP/1.1",
        &front.bearer("acme"),
        "Content-Length: 0",
        "Origin: http://evil.example",
    ];
    assert_eq!(
        ask(front.addr, &by_header, b"").await.status,
        200,
        "no site can make a browser send that header"
    );
}

#[tokio::test]
async fn a_browser_without_a_session_is_sent_to_sign_in_and_a_program_is_told() {
    let front = Front::before(upstreams::echo().await).await;
    let html = "Accept: text/html,application/xhtml+xml";
    let page = ask(
        front.addr,
        &["GET /ui/shortener?cursor=a%20b HTTP/1.1", html],
        b"",
    )
    .await;
    let there = "/ui/login?return_to=%2Fui%2Fshortener%3Fcursor%3Da%2520b";
    assert_eq!((page.status, page.header("location")), (303, Some(there)));
    assert_eq!(page.header("cache-control"), Some("no-store"));

    let session = front.session("acme");
    front.advance(16 * 60 * 1_000);
    assert_eq!(
        ask(front.addr, &["GET /ui/shortener HTTP/1.1", html, &session], b"")
            .await
            .status,
        303,
        "it has ended"
    );
    assert_eq!(get(front.addr, "/ui/shortener").await.status, 401);
    assert_eq!(
        ask(front.addr, &["GET /v1/links HTTP/1.1", html], b"")
            .await
            .status,
        401,
        "an API has no pages"
    );
    let assets = get(front.addr, "/ui/shortener/assets/style.css").await;
    assert_eq!(assets.status, 200, "style sheets need no session");
}
