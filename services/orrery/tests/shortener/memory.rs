//! Memory stays flat, however many redirects are answered, counted and analysed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use load::{HttpClient, HttpSettings};
use serde_json::json;
use testkit::platform::{Options, Platform};

use crate::platform::binary;

const PATIENCE: Duration = Duration::from_mins(2);
const LINKS: u64 = 50;
/// People who follow again and again.
const VISITORS: u64 = 500;
const CONNECTIONS: u64 = 32;
/// Memory is looked at so often.
const LOOKS: u64 = 10;
/// How much more may be held at any time of the second half than at any time of the first: what allocators keep back comes and goes.
const GROWTH_MAX: f64 = 1.1;
/// By day this shows only gross leaks; at night ten million redirects share the slack.
const SLACK_KIB: f64 = 8_192.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_over_very_many_redirects() {
    let _turn = crate::turn::shared().await;
    let redirects: u64 = if testkit::skips::nightly() {
        10_000_000
    } else {
        20_000
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = Options {
        data: Some(folder.path().to_owned()),
        ..Options::default()
    };
    // The console fills its share on purpose, up to a bound that it is tested for itself.
    let platform = Platform::start(binary(), options.without_console()).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let api = Owner::new(&platform, token);
    let mut codes = Vec::new();
    for _ in 0..LINKS {
        codes.push(api.make().await);
    }
    let codes = Arc::new(codes);
    let mut held = Vec::new();
    for _ in 0..LOOKS {
        follow(&platform, &codes, redirects / LOOKS).await;
        held.push(resident_kib(&platform));
    }
    println!("{redirects} redirects; KiB resident: {held:?}");
    let counted = async {
        while api.clicks(&codes).await < redirects / LOOKS * LOOKS {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let counted = tokio::time::timeout(PATIENCE, counted).await;
    assert!(counted.is_ok(), "all clicks are counted\n{}", platform.tail());
    let (first, second) = held.split_at(held.len() / 2);
    let most = |half: &[f64]| half.iter().copied().fold(0.0, f64::max);
    assert!(
        most(second) <= most(first) * GROWTH_MAX + SLACK_KIB,
        "it grows: {held:?} KiB"
    );
}

/// So many redirects, over all connections, as fast as they are answered.
async fn follow(platform: &Platform, codes: &Arc<Vec<String>>, redirects: u64) {
    let next = Arc::new(AtomicU64::new(0));
    let client = client(platform);
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, codes, next) = (client.clone(), Arc::clone(codes), Arc::clone(&next));
        connections.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= redirects {
                    return;
                }
                let code = &codes[usize::try_from(number % LINKS).expect("a small number")];
                // Many different visitors from one address: the gateway vouches for that alone.
                let browser = format!("Mozilla/5.0 (X11; Linux x86_64) visitor/{}", number % VISITORS);
                let request = Request::get(format!("/{code}"))
                    .header("user-agent", browser)
                    .body(String::new());
                let answer = client.send(request.expect("a request")).await.expect("an answer");
                assert_eq!(answer.status, StatusCode::FOUND);
            }
        });
    }
    while let Some(ended) = connections.join_next().await {
        ended.expect("each redirect leads somewhere");
    }
}

fn client(platform: &Platform) -> HttpClient {
    HttpClient::new(&platform.url(), HttpSettings::default()).expect("a loopback address")
}

fn resident_kib(platform: &Platform) -> f64 {
    let status = format!("/proc/{}/status", platform.pid().expect("it runs"));
    let status = std::fs::read_to_string(status).expect("the kernel tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.expect("its resident size").trim().trim_end_matches(" kB");
    kib.parse().expect("a number")
}

/// Whoever made the links.
struct Owner {
    client: HttpClient,
    token: String,
}

impl Owner {
    fn new(platform: &Platform, token: String) -> Self {
        Self {
            client: client(platform),
            token,
        }
    }

    async fn send(&self, method: Method, path: &str, body: String) -> serde_json::Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body);
        let answer = self
            .client
            .send(request.expect("a request"))
            .await
            .expect("an answer");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    async fn make(&self) -> String {
        let body = json!({ "url": "https://example.com/" }).to_string();
        let made = self.send(Method::POST, "/v1/links", body).await;
        made["code"].as_str().expect("a code").to_owned()
    }

    async fn clicks(&self, codes: &[String]) -> u64 {
        let mut all = 0;
        for code in codes {
            let link = self
                .send(Method::GET, &format!("/v1/links/{code}"), String::new())
                .await;
            all += link["clicks"].as_u64().expect("a count");
        }
        all
    }
}
