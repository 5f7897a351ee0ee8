//! Clients that write down what they did and saw, and what is certain about it.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use history::{Kind, Outcome};
use http::{Method, Request, StatusCode};
use load::{Answer, HttpClient, LoadError, Recorder, Started};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// Aliases that all writers want.
const ALIASES: u32 = 12;
/// Between two requests of a writer.
const THINK_MS: std::ops::Range<u64> = 1..15;
/// Rounds in which a writer tries to get an answer once the platform is up again.
const SETTLE_ROUNDS: usize = 100;

/// One way to the gateway, shared by all sessions of one life.
#[derive(Clone)]
pub(super) struct Client {
    http: HttpClient,
    token: String,
    recorder: Arc<Recorder<BufWriter<File>>>,
}

/// What became of following a link.
pub(super) enum Followed {
    There,
    Nowhere,
    NoAnswer,
    NotSent,
}

impl Client {
    pub(super) fn new(http: HttpClient, token: String, recorder: Arc<Recorder<BufWriter<File>>>) -> Self {
        Self {
            http,
            token,
            recorder,
        }
    }

    pub(super) async fn follow(&self, session: u64, code: &str) -> Followed {
        let started = self.recorder.start(session, Kind::Redirect, code, None);
        match self.http.get(&format!("/{code}")).await {
            Ok(answer) if answer.status == StatusCode::FOUND => {
                let there = answer.header("location").expect("a redirect leads somewhere");
                self.saw(started, Some(there));
                Followed::There
            }
            Ok(answer) => {
                self.saw_no_value(started, &answer);
                Followed::Nowhere
            }
            Err(error) if error.outcome_is_unknown() => {
                self.end(started, Outcome::Unknown);
                Followed::NoAnswer
            }
            Err(_) => Followed::NotSent,
        }
    }

    /// How many clicks the store has counted.
    pub(super) async fn clicks(&self, code: &str) -> u64 {
        let answer = self
            .managed(Method::GET, &format!("/v1/links/{code}"), None, None)
            .await;
        let answer = answer.expect("the platform is up");
        assert_eq!(answer.status, StatusCode::OK, "{}", text(&answer));
        body(&answer)["clicks"]
            .as_u64()
            .expect("a link has a count of clicks")
    }

    async fn read(&self, session: u64, alias: &str) {
        let started = self.recorder.start(session, Kind::Read, alias, None);
        match self
            .managed(Method::GET, &format!("/v1/links/{alias}"), None, None)
            .await
        {
            Ok(answer) if answer.status == StatusCode::OK => self.saw(started, body(&answer)["url"].as_str()),
            Ok(answer) => self.saw_no_value(started, &answer),
            Err(_) => {}
        }
    }

    async fn change(&self, session: u64, alias: &str, url: Option<&str>) {
        let (kind, method) = if url.is_some() {
            (Kind::Write, Method::PATCH)
        } else {
            (Kind::Delete, Method::DELETE)
        };
        let started = self.recorder.start(session, kind, alias, url);
        let change = url.map(|url| json!({ "url": url }));
        match self
            .managed(method, &format!("/v1/links/{alias}"), change.as_ref(), None)
            .await
        {
            Ok(answer) if answer.status.is_success() => self.end(started, Outcome::Ok),
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => self.end(started, Outcome::Refused),
            Ok(answer) if code_of(&answer) == "link_contended" => {}
            other => self.end_if_unknown(started, other),
        }
    }

    /// Claims once under the claim's key; the code it got, `Err(true)` when an answer is still owed.
    async fn claim(&self, session: u64, claim: &Claim) -> Result<String, bool> {
        let key = claim.alias.as_deref().unwrap_or_default();
        let started = self
            .recorder
            .start(session, Kind::Claim, key, Some(&claim.url))
            .intent(&claim.intent);
        let mut link = json!({ "url": claim.url });
        if let Some(alias) = &claim.alias {
            link["alias"] = json!(alias);
        }
        match self
            .managed(Method::POST, "/v1/links", Some(&link), Some(&claim.intent))
            .await
        {
            Ok(answer) if answer.status == StatusCode::CREATED => {
                let link = body(&answer);
                let code = link["code"].as_str().expect("a link has a code").to_owned();
                assert_eq!(
                    link["url"], claim.url,
                    "the answer tells of the link that was asked for"
                );
                self.recorder
                    .end_as(started, &code)
                    .expect("the history can be written");
                Ok(code)
            }
            Ok(answer) if code_of(&answer) == "alias_taken" => {
                self.end(started, Outcome::Refused);
                Err(false)
            }
            other => {
                self.end_if_unknown(started, other);
                Err(true)
            }
        }
    }

    async fn managed(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, LoadError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.http
            .send(request.body(body.map(Value::to_string).unwrap_or_default())?)
            .await
    }

    fn saw(&self, started: Started, value: Option<&str>) {
        self.recorder
            .saw(started, value)
            .expect("the history can be written");
    }

    fn saw_no_value(&self, started: Started, answer: &Answer) {
        if answer.status == StatusCode::NOT_FOUND {
            self.saw(started, None);
        } else {
            assert_busy(answer);
            self.end(started, Outcome::Refused);
        }
    }

    fn end(&self, started: Started, outcome: Outcome) {
        self.recorder
            .end(started, outcome)
            .expect("the history can be written");
    }

    /// A request that was never sent is not part of the history; one that was sent and lost is.
    fn end_if_unknown(&self, started: Started, answer: Result<Answer, LoadError>) {
        match answer {
            Ok(answer) => {
                assert_busy(&answer);
                self.end(started, Outcome::Unknown);
            }
            Err(error) if error.outcome_is_unknown() => self.end(started, Outcome::Unknown),
            Err(_) => {}
        }
    }
}

/// Beside what each request expects, only these: overload and answers not yet known.
fn assert_busy(answer: &Answer) {
    let busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    let in_flight = code_of(answer) == "idempotency_in_flight";
    assert!(
        busy.contains(&answer.status) || in_flight,
        "unexpected: {} {}",
        answer.status,
        text(answer)
    );
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", text(answer)))
}

/// The stable code of a problem.
fn code_of(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// A link one writer wants, under one idempotency key for all its attempts.
#[derive(Clone)]
struct Claim {
    intent: String,
    alias: Option<String>,
    url: String,
}

/// One session that makes, reads, changes and deletes links, one request at a time, over all lives of the platform.
pub(super) struct Writer {
    session: u64,
    rng: StdRng,
    wishes: u64,
    /// Claims that were sent and have no answer yet.
    owed: Vec<Claim>,
    /// Claims that were acknowledged, with the code they got.
    acknowledged: Vec<(Claim, String)>,
}

impl Writer {
    pub(super) fn new(session: u64) -> Self {
        let rng = StdRng::seed_from_u64(session);
        Self {
            session,
            rng,
            wishes: 0,
            owed: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    /// Works until it is over, first on the answers it is owed.
    pub(super) async fn work(mut self, client: Client, over: Arc<AtomicBool>) -> Self {
        self.retry_owed(&client).await;
        while !over.load(Ordering::Relaxed) {
            self.step(&client).await;
            let think = Duration::from_millis(self.rng.random_range(THINK_MS));
            tokio::time::sleep(think).await;
        }
        self
    }

    /// Makes links that are left alone from then on, and gives their codes.
    pub(super) async fn make_links(&mut self, client: &Client, count: usize) -> Vec<String> {
        while self.acknowledged.len() < count {
            let claim = self.wish(None);
            self.claim(client, claim).await;
        }
        self.acknowledged.iter().map(|(_, code)| code.clone()).collect()
    }

    /// How many links it was told it has made.
    pub(super) fn links(&self) -> usize {
        self.acknowledged.len()
    }

    /// Gets the answers it is owed.
    pub(super) async fn settle(&mut self, client: &Client) {
        for _ in 0..SETTLE_ROUNDS {
            if self.has_settled() {
                return;
            }
            self.retry_owed(client).await;
        }
    }

    pub(super) fn has_settled(&self) -> bool {
        self.owed.is_empty()
    }

    /// Follows all its generated links and repeats some of its claims; the history tells what came of it.
    pub(super) async fn look_at_everything(&mut self, client: &Client, repeats_max: usize) {
        for (claim, code) in &self.acknowledged {
            if claim.alias.is_none() {
                let followed = client.follow(self.session, code).await;
                assert!(
                    matches!(followed, Followed::There),
                    "{code}, which was acknowledged, leads nowhere"
                );
            }
        }
        let repeated: Vec<_> = self
            .acknowledged
            .choose_multiple(&mut self.rng, repeats_max)
            .cloned()
            .collect();
        for (claim, code) in repeated {
            assert_eq!(
                client.claim(self.session, &claim).await,
                Ok(code),
                "the answer to {}",
                claim.intent
            );
        }
    }

    async fn step(&mut self, client: &Client) {
        let alias = format!("wanted-{}", self.rng.random_range(0..ALIASES));
        match self.rng.random_range(0..20) {
            0..6 => {
                let claim = self.wish(None);
                self.claim(client, claim).await;
            }
            6..8 => {
                if let Some((claim, _)) = self.acknowledged.choose(&mut self.rng).cloned() {
                    _ = client.claim(self.session, &claim).await;
                }
            }
            8..11 => {
                let claim = self.wish(Some(alias));
                self.claim(client, claim).await;
            }
            11..14 => client.read(self.session, &alias).await,
            14..16 => {
                let url = self.new_url();
                client.change(self.session, &alias, Some(&url)).await;
            }
            16..17 => client.change(self.session, &alias, None).await,
            _ => _ = client.follow(self.session, &alias).await,
        }
    }

    async fn retry_owed(&mut self, client: &Client) {
        for claim in std::mem::take(&mut self.owed) {
            self.claim(client, claim).await;
        }
    }

    async fn claim(&mut self, client: &Client, claim: Claim) {
        match client.claim(self.session, &claim).await {
            Ok(code) => self.acknowledged.push((claim, code)),
            Err(true) => self.owed.push(claim),
            Err(false) => {}
        }
    }

    fn wish(&mut self, alias: Option<String>) -> Claim {
        let url = self.new_url();
        Claim {
            intent: format!("wish-{}-{}", self.session, self.wishes),
            alias,
            url,
        }
    }

    /// No two are alike, so that what is seen tells who wrote it.
    fn new_url(&mut self) -> String {
        self.wishes += 1;
        format!("https://example.com/{}/{}", self.session, self.wishes)
    }
}
