//! A person with a token at one gateway.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use load::{HttpClient, HttpSettings};
use serde_json::Value;

/// One way in.
#[derive(Clone)]
pub(crate) struct Api {
    http: HttpClient,
    token: String,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        Self::with_deadline(url, token, Duration::from_secs(15))
    }

    /// For whoever waits for an answer on purpose.
    pub(crate) fn with_deadline(url: &str, token: &str, deadline: Duration) -> Self {
        let settings = HttpSettings {
            deadline,
            ..HttpSettings::default()
        };
        Self {
            http: HttpClient::new(url, settings).expect("a loopback address"),
            token: token.to_owned(),
        }
    }

    /// A request of the management API: its status and its JSON.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> (StatusCode, Value) {
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
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(text).expect("a request");
        let answer = self.http.send(request).await.expect("the gateway answers");
        let json = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, json)
    }

    /// Follows a link: the status, and where it leads.
    pub(crate) async fn follow(&self, code: &str) -> (StatusCode, Option<String>) {
        let answer = self
            .http
            .get(&format!("/{code}"))
            .await
            .expect("the gateway answers");
        (answer.status, answer.header("location").map(str::to_owned))
    }

    /// Where a link leads, without following it: this is no click.
    pub(crate) async fn head(&self, code: &str) -> Option<String> {
        let request = Request::head(format!("/{code}")).body(String::new());
        let answer = self.http.send(request.expect("a request")).await;
        let answer = answer.expect("the gateway answers");
        answer.header("location").map(str::to_owned)
    }
}
