//! Ordinary traffic on every route that a panel counts, over and over: a rate needs more than one request.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use testkit::http::{Call, call, get, post};
use testkit::platform::Platform;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::till::Till;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// Traffic at one platform until it is dropped.
pub(crate) struct Traffic {
    // Held for its Drop. Each part goes on where the other waits for an engine that is away.
    _tasks: JoinSet<()>,
}

/// What a client of the platform needs.
#[derive(Clone)]
struct Client {
    url: String,
    token: String,
    /// A machine client's id and key.
    key: (String, String),
}

impl Traffic {
    /// Starts it, once a first link could be made.
    pub(crate) async fn at(platform: &Platform) -> Self {
        let client = Client {
            url: platform.url(),
            token: platform
                .token("acme", "ada", &["links:read", "links:write"])
                .await,
            key: key(platform).await,
        };
        let made = client.make_link("there").send().await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let mut till = Till::open(platform).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            for turn in 0_u64.. {
                client.round(turn).await;
                sleep(PAUSE).await;
            }
        });
        tasks.spawn(async move {
            for turn in 0_u64.. {
                till.round(turn).await;
                sleep(PAUSE).await;
            }
        });
        Self { _tasks: tasks }
    }
}

impl Client {
    /// One of each. Answers do not matter here: some rounds meet a fault.
    async fn round(&self, turn: u64) {
        let code = format!("turn-{turn}");
        let link = format!("/v1/links/{code}");
        let round = [
            self.make_link(&code),
            self.asks(Method::PATCH, &link).json(&json!({"title": "A title"})),
            self.asks(Method::GET, &link),
            self.asks(Method::GET, "/v1/links?limit=5"),
            self.asks(Method::GET, "/v1/stats"),
            self.asks(Method::GET, &format!("{link}/qr.svg")),
            get(format!("{}/there", self.url)),
            get(format!("{}/{code}", self.url)),
            get(format!("{}/nowhere-{turn}", self.url)),
            self.asks(Method::DELETE, &link),
            get(format!("{}/.well-known/jwks.json", self.url)),
            get(format!("{}/ui/callback?code=none&state=none", self.url)),
            self.key_for_a_token(),
        ];
        for request in round {
            let _ = request.try_send().await;
        }
    }

    fn asks(&self, method: Method, path: &str) -> Call {
        call(method, format!("{}{path}", self.url)).bearer(&self.token)
    }

    fn make_link(&self, alias: &str) -> Call {
        let link = json!({"url": "https://example.com/there", "alias": alias});
        post(format!("{}/v1/links", self.url), &link).bearer(&self.token)
    }

    fn key_for_a_token(&self) -> Call {
        let (id, secret) = &self.key;
        token_for_key(&self.url, id, secret)
    }
}

/// A token request by the form.
pub(crate) fn token_for_key(url: &str, id: &str, secret: &str) -> Call {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    call(Method::POST, format!("{url}/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .bytes(form)
}

/// What `orrery key create` prints: an id and a secret.
async fn key(platform: &Platform) -> (String, String) {
    let output = platform
        .command(&["key", "create", "--tenant", "acme", "--client", "importer"])
        .arg("--data")
        .arg(platform.data())
        .output()
        .await
        .expect("orrery starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = |name: &str| {
        let mut lines = printed.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    value("client_id=")
        .zip(value("client_secret="))
        .unwrap_or_else(|| panic!("no key: {printed}\n{}", String::from_utf8_lossy(&output.stderr)))
}
