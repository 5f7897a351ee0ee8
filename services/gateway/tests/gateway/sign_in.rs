//! Signing in, from the start page's link to the session and out again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clock::Clock as _;
use http::StatusCode;
use identity::{Jwks, SigningKey};
use url::Url;
use url::form_urlencoded::parse;

use crate::client::{Reply, ask};
use crate::front::{Front, Plan, token};
use crate::upstreams;

/// The fields of a form, in their order.
type Form = Vec<(String, String)>;

/// An issuer's token endpoint that answers as it is told and remembers what it was asked.
#[derive(Clone, Default)]
struct TokenEndpoint {
    answer: Arc<Mutex<Option<(StatusCode, String)>>>,
    asked: Arc<Mutex<Vec<Form>>>,
}

impl TokenEndpoint {
    fn exchange(&self, body: &str) -> Response {
        self.asked
            .lock()
            .expect("no panic")
            .push(parse(body.as_bytes()).into_owned().collect());
        let (status, body) = self
            .answer
            .lock()
            .expect("no panic")
            .clone()
            .expect("an answer was planned");
        (status, [("content-type", "application/json")], body).into_response()
    }

    fn plan(&self, status: StatusCode, body: impl Into<String>) {
        *self.answer.lock().expect("no panic") = Some((status, body.into()));
    }

    fn asked(&self) -> Vec<Form> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn exchange(State(endpoint): State<TokenEndpoint>, body: String) -> Response {
    endpoint.exchange(&body)
}

async fn front() -> (Front, TokenEndpoint) {
    let endpoint = TokenEndpoint::default();
    let mut plan = Plan::with(upstreams::echo().await).await;
    let keys = serde_json::to_string(&Jwks::of([&plan.key])).expect("a key set");
    let issuer = Router::new()
        .route("/.well-known/jwks.json", get(move || async { keys }))
        .route("/oauth2/token", post(exchange))
        .with_state(endpoint.clone());
    plan.settings.upstreams.issuer = format!("http://{}", upstreams::serve(issuer).await);
    (plan.start(), endpoint)
}

/// A sign-in that has come as far as the issuer's page.
struct Begun {
    cookie: String,
    state: String,
    challenge: String,
}

async fn begin(front: SocketAddr, return_to: &str) -> Begun {
    let reply = ask(
        front,
        &[&format!("GET /ui/login?return_to={return_to} HTTP/1.1")],
        b"",
    )
    .await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (303, Some("no-store"))
    );
    let to = Url::parse(reply.header("location").expect("a location")).expect("a URL");
    assert_eq!(
        (to.origin().ascii_serialization(), to.path()),
        (format!("http://{front}"), "/oauth2/authorize")
    );
    let query = |name: &str| {
        to.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(query("response_type").as_deref(), Some("code"));
    assert_eq!(query("client_id").as_deref(), Some("orrery-gateway"));
    assert_eq!(query("redirect_uri"), Some(format!("http://{front}/ui/callback")));
    assert_eq!(query("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(
        query("scope").as_deref(),
        Some("links:read links:write ledger:read ledger:write payments:read payments:write console:read")
    );
    let set = reply.header("set-cookie").expect("a cookie");
    let name = format!("orrery_sign_in_{}=", front.port());
    assert!(
        set.starts_with(&name) && set.ends_with("; Path=/ui/callback; Max-Age=600; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    Begun {
        cookie: set.split(';').next().expect("a value").to_owned(),
        state: query("state").expect("a state"),
        challenge: query("code_challenge").expect("a challenge"),
    }
}

async fn call_back(front: SocketAddr, query: &str, cookie: &str) -> Reply {
    ask(
        front,
        &[
            &format!("GET /ui/callback?{query} HTTP/1.1"),
            &format!("Cookie: {cookie}"),
        ],
        b"",
    )
    .await
}

/// What our issuer sends back with a code.
fn good_query(front: SocketAddr, begun: &Begun) -> String {
    format!("code=c&state={}&iss=http%3A%2F%2F{front}", begun.state)
}

fn answer(token: &str) -> String {
    format!(
        "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":900,\"id_token\":\"x\"}}"
    )
}

#[tokio::test]
async fn a_person_signs_in_and_lands_where_they_wanted_to_go() {
    let (front, endpoint) = front().await;
    let begun = begin(front.addr, "%2Fui%2Fshortener%3Fcursor%3Dx").await;
    let token = front.token("acme");
    endpoint.plan(StatusCode::OK, answer(&token));
    let query = format!("code=c%2B1&state={}&iss=http%3A%2F%2F{}", begun.state, front.addr);
    let reply = call_back(front.addr, &query, &begun.cookie).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some("/ui/shortener?cursor=x")),
        "{}",
        reply.text()
    );
    let port = front.addr.port();
    let set = reply.headers("set-cookie");
    let session = format!("orrery_session_{port}={token}; Path=/; Max-Age=900; HttpOnly; SameSite=Lax");
    assert!(set.contains(&session.as_str()), "{set:?}");
    assert!(set.iter().any(
        |cookie| cookie.starts_with(&format!("orrery_sign_in_{port}=;")) && cookie.contains("Max-Age=0")
    ));

    let asked = &endpoint.asked()[0];
    let field = |name: &str| {
        asked
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (field("grant_type"), field("code")),
        (Some("authorization_code"), Some("c+1"))
    );
    assert_eq!(field("client_id"), Some("orrery-gateway"));
    assert_eq!(
        field("redirect_uri"),
        Some(format!("http://{}/ui/callback", front.addr).as_str())
    );
    let verifier = field("code_verifier").expect("PKCE");
    assert_eq!(
        challenge_of(verifier),
        begun.challenge,
        "the verifier is the one the challenge was made of"
    );

    let cookie = format!("Cookie: orrery_session_{port}={token}");
    assert_eq!(
        ask(front.addr, &["GET /ui/shortener HTTP/1.1", &cookie], b"")
            .await
            .status,
        200
    );
    let start = ask(front.addr, &["GET / HTTP/1.1", &cookie], b"").await.text();
    assert!(
        start.contains("ada · acme") && start.contains("Sign out"),
        "{start}"
    );
}

fn challenge_of(verifier: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(verifier))
}

#[tokio::test]
async fn a_callback_that_was_not_begun_in_this_browser_is_refused_before_the_issuer_is_asked() {
    let (front, endpoint) = front().await;
    let begun = begin(front.addr, "/").await;
    let other = begin(front.addr, "/").await;
    let good = good_query(front.addr, &begun);
    let unnamed = format!("code=c&state={}", begun.state);
    let attempts = [
        (good.clone(), "a=1".to_owned()),
        (good.clone(), other.cookie.clone()),
        (good_query(front.addr, &other), begun.cookie.clone()),
        ("code=c".to_owned(), begun.cookie.clone()),
        ("code=c&state=".to_owned(), begun.cookie.clone()),
        (good.clone(), format!("{}x", begun.cookie)),
        (
            format!("{unnamed}&iss=http%3A%2F%2Fevil.example"),
            begun.cookie.clone(),
        ),
        (unnamed, begun.cookie.clone()),
    ];
    for (query, cookie) in attempts {
        let reply = call_back(front.addr, &query, &cookie).await;
        assert_eq!(reply.status, 400, "{query} {cookie}");
        assert!(
            reply
                .headers("set-cookie")
                .iter()
                .all(|set| !set.contains("orrery_session")),
            "{reply:?}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("text/html; charset=utf-8"),
            "a person reads this"
        );
    }
    assert!(endpoint.asked().is_empty());
}

#[tokio::test]
async fn what_the_issuer_refuses_or_gets_wrong_makes_no_session() {
    let (front, endpoint) = front().await;
    let elsewhere = token(
        &SigningKey::generate(),
        &format!("http://{}", front.addr),
        "acme",
        front.clock.unix_ms(),
    );
    let cases = [
        (
            StatusCode::BAD_REQUEST,
            "{\"error\":\"invalid_grant\"}".to_owned(),
            400,
        ),
        (StatusCode::SERVICE_UNAVAILABLE, String::new(), 503),
        (StatusCode::OK, "not json".to_owned(), 502),
        (StatusCode::OK, answer("not-a-token"), 502),
        (StatusCode::OK, answer(&elsewhere), 502),
        (StatusCode::OK, answer(&"x".repeat(20_000)), 503),
    ];
    for (status, body, seen) in cases {
        let begun = begin(front.addr, "/").await;
        endpoint.plan(status, body.clone());
        let reply = call_back(front.addr, &good_query(front.addr, &begun), &begun.cookie).await;
        assert_eq!(reply.status, seen, "{status} {body}");
        assert!(
            reply
                .headers("set-cookie")
                .iter()
                .all(|set| !set.contains("orrery_session")),
            "{reply:?}"
        );
        assert!(reply.text().contains("Try again"));
    }
    let begun = begin(front.addr, "/").await;
    let denied = call_back(
        front.addr,
        &format!(
            "error=access_denied&state={}&iss=http%3A%2F%2F{}",
            begun.state, front.addr
        ),
        &begun.cookie,
    )
    .await;
    assert_eq!(denied.status, 403);
}

#[tokio::test]
async fn signing_in_with_the_issuer_down_says_so() {
    let mut plan = Plan::with(upstreams::echo().await).await;
    plan.settings.upstreams.issuer = format!("http://{}", upstreams::down().await);
    let front = plan.start();
    let begun = begin(front.addr, "/").await;
    let reply = call_back(front.addr, &good_query(front.addr, &begun), &begun.cookie).await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("cannot be reached"));
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_signing_in() {
    let (front, endpoint) = front().await;
    for target in [
        "%2F%2Fevil.example",
        "http%3A%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "javascript%3Ax",
        "",
    ] {
        let begun = begin(front.addr, target).await;
        endpoint.plan(StatusCode::OK, answer(&front.token("acme")));
        let reply = call_back(front.addr, &good_query(front.addr, &begun), &begun.cookie).await;
        assert_eq!(reply.header("location"), Some("/ui/shortener"), "{target}");
    }
}

#[tokio::test]
async fn a_sign_in_begun_under_another_name_starts_over_under_the_public_one() {
    let (front, _) = front().await;
    let host = format!("Host: localhost:{}", front.addr.port());
    let reply = ask(
        front.addr,
        &["GET /ui/login?return_to=/ui/shortener HTTP/1.1", &host],
        b"",
    )
    .await;
    let there = format!("http://{}/ui/login?return_to=%2Fui%2Fshortener", front.addr);
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some(there.as_str()))
    );
    assert_eq!(reply.header("set-cookie"), None, "the callback could not see it");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_only_our_own_page_can_do_it() {
    let (front, _) = front().await;
    let out = async |more: &str| {
        ask(
            front.addr,
            &["POST /ui/logout HTTP/1.1", "Content-Length: 0", more],
            b"",
        )
        .await
    };
    let forged = out("Origin: http://evil.example").await;
    assert_eq!((forged.status, forged.code().as_str()), (403, "csrf"));
    let reply = out(&format!("Origin: http://{}", front.addr)).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    let ended = format!(
        "orrery_session_{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
        front.addr.port()
    );
    assert_eq!(reply.header("set-cookie"), Some(ended.as_str()));
    assert_eq!(
        ask(front.addr, &["GET /ui/logout HTTP/1.1"], b"").await.status,
        405,
        "a link cannot do it"
    );
}
