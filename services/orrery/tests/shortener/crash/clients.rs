//! Clients that write down what they did and saw, and what is certain about it.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use history::{Kind, Outcome};
use http::{Method, Request, StatusCode};
use load::{Answer, HttpClient, LoadError, Recorder, Started};
use serde_json::{Value, json};

/// One way to the gateway, shared by all sessions of one life.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient,
    token: String,
    recorder: Arc<Recorder<BufWriter<File>>>,
    always_answered: bool,
}

/// What became of following a link.
pub(crate) enum Followed {
    There,
    Nowhere,
    /// Refused by the gateway, behind which the redirect may have been answered all the same.
    Refused,
    NoAnswer,
    NotSent,
}

/// A link one writer wants, under one idempotency key for all its attempts.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) intent: String,
    pub(crate) alias: Option<String>,
    pub(crate) url: String,
}

impl Client {
    pub(crate) fn new(http: HttpClient, token: String, recorder: Arc<Recorder<BufWriter<File>>>) -> Self {
        Self {
            http,
            token,
            recorder,
            always_answered: false,
        }
    }

    /// Where nothing dies every request has an answer; one without fails the test.
    pub(crate) fn always_answered(mut self) -> Self {
        self.always_answered = true;
        self
    }

    pub(crate) async fn follow(&self, session: u64, code: &str) -> Followed {
        let started = self.recorder.start(session, Kind::Redirect, code, None);
        match self.seen(self.http.get(&format!("/{code}")).await) {
            Ok(answer) if answer.status == StatusCode::FOUND => {
                let there = answer.header("location").expect("a redirect leads somewhere");
                self.saw(started, Some(there));
                Followed::There
            }
            Ok(answer) => {
                self.saw_no_value(started, &answer);
                // The click of a durable redirect that was given up waiting for may be counted all the same.
                if ["upstream_broken", "deadline_exceeded", "unavailable"]
                    .contains(&code_of(&answer).as_str())
                {
                    Followed::Refused
                } else {
                    Followed::Nowhere
                }
            }
            Err(error) if error.outcome_is_unknown() => {
                self.end(started, Outcome::Unknown);
                Followed::NoAnswer
            }
            Err(_) => Followed::NotSent,
        }
    }

    /// How many clicks the store has counted.
    pub(crate) async fn clicks(&self, code: &str) -> u64 {
        let answer = self
            .managed(Method::GET, &format!("/v1/links/{code}"), None, None)
            .await;
        let answer = answer.expect("the platform is up");
        assert_eq!(answer.status, StatusCode::OK, "{}", text(&answer));
        body(&answer)["clicks"]
            .as_u64()
            .expect("a link has a count of clicks")
    }

    pub(crate) async fn read(&self, session: u64, alias: &str) {
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

    pub(crate) async fn change(&self, session: u64, alias: &str, url: Option<&str>) {
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
    pub(crate) async fn claim(&self, session: u64, claim: &Claim) -> Result<String, bool> {
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
        let request = request.body(body.map(Value::to_string).unwrap_or_default())?;
        self.seen(self.http.send(request).await)
    }

    fn seen(&self, answer: Result<Answer, LoadError>) -> Result<Answer, LoadError> {
        if let (true, Err(error)) = (self.always_answered, &answer) {
            panic!("a request without an answer, though nothing died: {error}");
        }
        answer
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

/// Beside what each request expects, only these: overload and answers not yet known, as problems that say when to try again.
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
    let is_problem = answer.header("content-type") == Some(problem::MEDIA_TYPE);
    let says_when = answer.header("retry-after").is_some() || answer.status == StatusCode::GATEWAY_TIMEOUT;
    assert!(
        is_problem && says_when,
        "not an honest problem: {} {:?} {}",
        answer.status,
        answer.headers,
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
