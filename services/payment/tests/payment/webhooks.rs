//! Webhooks over HTTP: endpoints and their secrets, private networks refused, a trial delivery, dead letters replayed; payers erased.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{ManualClock, SystemClock};
use http::Method;
use payment::Settings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::{Service, Setup, eventually};

/// Answers each request with a status, and remembers what came.
struct Receiver {
    url: String,
    status: Arc<Mutex<u16>>,
    heard: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let (status, heard) = (Arc::new(Mutex::new(status)), Arc::new(Mutex::new(Vec::new())));
        let (answers, hears) = (Arc::clone(&status), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = String::new();
                let mut chunk = [0; 4_096];
                while !is_whole(&text) {
                    match stream.read(&mut chunk).await {
                        Ok(count) if count > 0 => text.push_str(&String::from_utf8_lossy(&chunk[..count])),
                        _ => break,
                    }
                }
                let status = *answers.lock().unwrap();
                hears.lock().unwrap().push(text);
                let answer = format!("HTTP/1.1 {status} As told\r\ncontent-length: 0\r\n\r\n");
                let _gone = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            url,
            status,
            heard,
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Whether the body is as long as the head says.
fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn open_loopback(settings: &mut Settings) {
    settings.webhooks.outbound.open_loopback = true;
    settings.webhooks.poll_interval_ms = 20;
}

async fn make(service: &Service, url: &str) -> Value {
    let body = json!({ "url": url, "description": "Ada's shop" });
    service.post("/v1/webhook-endpoints", body).await.expect(201)
}

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap().to_owned()
}

/// What takes no body says so to whoever sends one and believes that it does something.
async fn refuses_a_body(service: &Service, path: &str, done: u16) {
    let refused = service.post(path, json!({ "overlap_ms": 1 })).await;
    assert!(matches!(refused.status, 400 | 422), "{path}: {}", refused.status);
    for nothing in [json!({}), Value::Null] {
        let answer = service.post(path, nothing).await;
        assert_eq!(answer.status, done, "{path}");
    }
}

#[tokio::test]
async fn an_endpoint_is_made_once_a_key_and_shows_its_secret_to_nobody_else() {
    let service = Setup::new().change(open_loopback).start().await;
    let body = json!({ "url": "http://127.0.0.1:1/hooks", "event_kinds": ["payment.captured"] });
    let made = service.post_under("k", "/v1/webhook-endpoints", &body).await;
    let again = service.post_under("k", "/v1/webhook-endpoints", &body).await;
    assert!(again.is_replay() && !made.is_replay());
    let (made, again) = (made.expect(201), again.expect(201));
    assert_eq!(made, again);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let other = json!({ "url": "http://127.0.0.1:2/hooks" });
    let reused = service.post_under("k", "/v1/webhook-endpoints", &other).await;
    assert_eq!(reused.problem(), (422, "idempotency_key_reused".to_owned()));
    let path = format!("/v1/webhook-endpoints/{}", id(&made));
    let shown = service.get(&path).await.expect(200);
    assert_eq!((shown.get("secret"), &shown["status"]), (None, &json!("enabled")));
    let listed = service.get("/v1/webhook-endpoints").await.expect(200);
    assert_eq!(listed["items"], json!([shown]));
    for (what, done) in [("secret", 201), ("ping", 202)] {
        refuses_a_body(&service, &format!("{path}/{what}"), done).await;
    }
    // The pings wait to be delivered.
    let waiting = service.get("/v1/webhook-deliveries").await.expect(200);
    let waiting = format!("/v1/webhook-deliveries/{}/replay", id(&waiting["items"][0]));
    refuses_a_body(&service, &waiting, 202).await;
    let stranger = service.token("other");
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/secret")),
        (Method::POST, format!("{path}/ping")),
        (Method::GET, format!("{path}/deliveries")),
    ] {
        let answer = service.send_as(&stranger, method, &path, &Value::Null).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let reader = service.token_for("acme", "ada", "payments:read");
    let refused = service
        .send_as(&reader, Method::DELETE, &path, &Value::Null)
        .await;
    assert_eq!(refused.status, 403);
    let gone = service.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(service.get(&path).await.status, 404);
    service.stop().await;
}

#[tokio::test]
async fn addresses_inside_are_refused_when_they_are_given_with_what_is_wrong() {
    let service = Service::start().await;
    for (url, code) in [
        ("http://shop.example.com/", "https_required"),
        ("https://127.0.0.1/", "address_refused"),
        ("https://0x7f.1/", "address_refused"),
        ("https://[::ffff:10.0.0.1]/", "address_refused"),
        ("https://169.254.169.254/latest/meta-data", "address_refused"),
        ("https://localhost/", "address_refused"),
        ("https://me:secret@shop.example.com/", "url_with_credentials"),
        ("https://shop.example.com:22/", "port_refused"),
        ("nonsense", "url_unreadable"),
    ] {
        let answer = service.post("/v1/webhook-endpoints", json!({ "url": url })).await;
        assert_eq!(answer.problem(), (422, code.to_owned()), "{url}");
        assert_eq!(answer.pointers(), ["/url"]);
    }
    for body in [
        json!({ "url": "https://1.1.1.1/", "event_kinds": ["payment.nonsense"] }),
        json!({ "url": "https://1.1.1.1/", "description": "x".repeat(201) }),
    ] {
        let answer = service.post("/v1/webhook-endpoints", body).await;
        assert_eq!(answer.problem(), (422, "webhook_endpoint_invalid".to_owned()));
    }
    let made = make(&service, "https://1.1.1.1/").await;
    let path = format!("/v1/webhook-endpoints/{}", id(&made));
    let moved = service
        .send(Method::PATCH, &path, &json!({ "url": "https://10.0.0.1/" }))
        .await;
    assert_eq!(moved.problem(), (422, "address_refused".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn a_trial_delivery_arrives_signed_by_both_secrets_after_a_rotation() {
    let receiver = Receiver::start(200).await;
    let service = Setup::new().change(open_loopback).start().await;
    let made = make(&service, &receiver.url).await;
    let path = format!("/v1/webhook-endpoints/{}", id(&made));
    let rotate = format!("{path}/secret");
    let rotated = service.post_under("r", &rotate, &Value::Null).await.expect(201);
    let again = service.post_under("r", &rotate, &Value::Null).await.expect(201);
    assert_eq!(rotated, again, "repeated, it is the same rotation");
    assert_ne!(rotated["secret"], made["secret"]);
    assert!(rotated["former_secret_until"].is_string());
    let pinged = service
        .post(&format!("{path}/ping"), Value::Null)
        .await
        .expect(202);
    assert_eq!(pinged["event_kind"], "webhook.ping");
    eventually("it is delivered", async || {
        let listed = service
            .get(&format!("{path}/deliveries?status=delivered"))
            .await
            .expect(200);
        listed["items"].as_array().is_some_and(|items| items.len() == 1)
    })
    .await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1);
    let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let (id, timestamp, signature) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    );
    let headers = ::webhooks::Headers {
        id: &id,
        timestamp: &timestamp,
        signature: &signature,
    };
    let now_s = SystemClock::shared().unix_ms() / 1_000;
    for secret in [&made["secret"], &rotated["secret"]] {
        let secret = ::webhooks::Secret::parse(secret.as_str().unwrap()).unwrap();
        ::webhooks::verify(
            &[secret],
            headers,
            body.as_bytes(),
            now_s,
            ::webhooks::TOLERANCE_S,
        )
        .unwrap();
    }
    service.stop().await;
}

#[tokio::test]
async fn what_fails_for_over_a_day_is_a_dead_letter_and_is_replayed_by_hand() {
    let receiver = Receiver::start(500).await;
    let clock = ManualClock::at(SystemClock::shared().unix_ms());
    let service = Setup::new().clock(&clock).change(open_loopback).start().await;
    let made = make(&service, &receiver.url).await;
    let endpoint = format!("/v1/webhook-endpoints/{}", id(&made));
    service
        .post(&format!("{endpoint}/ping"), Value::Null)
        .await
        .expect(202);
    let dead = "/v1/webhook-deliveries?status=dead";
    let letters = async || {
        service.get(dead).await.expect(200)["items"]
            .as_array()
            .cloned()
            .unwrap()
    };
    let mut last_at = Value::Null;
    for attempts in 1..=8 {
        eventually("it was tried", async || receiver.heard().len() == attempts).await;
        eventually("the failure is recorded", async || {
            let listed = service.get(&format!("{endpoint}/deliveries")).await.expect(200);
            // The clock stands still between attempts, and is stepped only after this.
            listed["items"][0]["last_attempt_at"].is_string()
                && listed["items"][0]["last_attempt_at"] != last_at
        })
        .await;
        let listed = service.get(&format!("{endpoint}/deliveries")).await.expect(200);
        assert_eq!(listed["items"][0]["attempts"], attempts);
        last_at = listed["items"][0]["last_attempt_at"].clone();
        if attempts < 8 {
            assert!(letters().await.is_empty());
            clock.advance(Duration::from_secs(16 * 3_600));
        }
    }
    eventually("it is a dead letter", async || letters().await.len() == 1).await;
    let letter = letters().await.remove(0);
    assert_eq!(
        (&letter["last_status"], &letter["attempts"]),
        (&json!(500), &json!(8))
    );
    let replay = format!("/v1/webhook-deliveries/{}/replay", id(&letter));
    let stranger = service.token("other");
    let foreign = service
        .send_as(&stranger, Method::POST, &replay, &Value::Null)
        .await;
    assert_eq!(foreign.status, 404);
    *receiver.status.lock().unwrap() = 204;
    service.post(&replay, Value::Null).await.expect(202);
    eventually("it arrives", async || {
        service
            .get(&format!("{endpoint}/deliveries?status=delivered"))
            .await
            .expect(200)["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1)
    })
    .await;
    assert!(letters().await.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn a_payer_of_whom_nothing_was_ever_known_is_not_found() {
    let service = Service::start().await;
    service.open_books().await;
    for person in ["1001", "424242", "ada", "0"] {
        let path = format!("/v1/payers/{person}");
        let answer = service.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{person}");
    }
    let reader = service.token_for("acme", "ada", "payments:read");
    let refused = service
        .send_as(&reader, Method::DELETE, "/v1/payers/1001", &Value::Null)
        .await;
    assert_eq!(refused.status, 403);
    service.stop().await;
}
