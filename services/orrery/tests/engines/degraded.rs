//! What goes on, and how much of it, while an engine is dead: redirects always, the rest as far as it can be right.

mod cql;
mod nats;
mod redis;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::http::{Answer, call, get};
use testkit::platform::Platform;

use super::fleet::{Fleet, SHORTENER};

/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(40);

/// A person with a token at one gateway, who reads whole answers.
struct Person {
    gateway: String,
    token: String,
}

impl Person {
    /// One at each gateway.
    async fn both(fleet: &Fleet) -> [Self; 2] {
        let token = fleet.token("acme").await;
        fleet.gateways.each_ref().map(|gateway| Self {
            gateway: gateway.url(),
            token: token.clone(),
        })
    }

    async fn follow(&self, code: &str) -> Answer {
        get(format!("{}/{code}", self.gateway)).send().await
    }

    async fn managed(&self, method: Method, path: &str) -> Answer {
        let request = call(method, format!("{}{path}", self.gateway));
        request.bearer(&self.token).send().await
    }

    /// Asks for a link under an idempotency key that is the alias.
    async fn ask_for(&self, alias: &str) -> Answer {
        let link = json!({ "url": target(alias), "alias": alias });
        call(Method::POST, format!("{}/v1/links", self.gateway))
            .bearer(&self.token)
            .header("idempotency-key", alias)
            .json(&link)
            .send()
            .await
    }

    async fn make(&self, alias: &str) {
        let made = self.ask_for(alias).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    }

    async fn point(&self, alias: &str, url: &str) -> Answer {
        call(Method::PATCH, format!("{}/v1/links/{alias}", self.gateway))
            .bearer(&self.token)
            .json(&json!({ "url": url }))
            .send()
            .await
    }

    /// How many clicks are counted; 0 while that cannot be told.
    async fn clicks(&self, alias: &str) -> u64 {
        let link = self.managed(Method::GET, &format!("/v1/links/{alias}")).await;
        let link: Value = serde_json::from_slice(&link.body).unwrap_or_default();
        link["clicks"].as_u64().unwrap_or_default()
    }
}

fn target(alias: &str) -> String {
    format!("https://example.com/{alias}")
}

fn leads_to(answer: &Answer, url: &str) -> bool {
    answer.status == StatusCode::FOUND && answer.header("location") == url
}

/// A 503 problem that says when to try again.
fn assert_refused(answer: &Answer) {
    let honest =
        answer.header("content-type") == problem::MEDIA_TYPE && !answer.header("retry-after").is_empty();
    assert!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE && honest,
        "{} {:?} {}",
        answer.status,
        answer.headers,
        answer.text()
    );
}

/// What a shortener's `/readyz` says.
async fn readiness(shortener: &Platform) -> (u16, String) {
    let answer = get(format!("{}/readyz", shortener.admin_url(SHORTENER)))
        .send()
        .await;
    (answer.status.as_u16(), answer.text())
}

async fn is_ready_without(shortener: &Platform, engine: &str) -> bool {
    let (status, text) = readiness(shortener).await;
    let line = format!("degraded: {engine}: ");
    status == 200 && text.lines().any(|l| l.starts_with(&line))
}

async fn is_whole(shortener: &Platform) -> bool {
    readiness(shortener).await == (200, "ok\n".to_owned())
}

/// The sum of a shortener's metric over all labels that are not given.
async fn counted(shortener: &Platform, metric: &str, label: &str) -> f64 {
    let answer = get(format!("{}/metrics", shortener.admin_url(SHORTENER)))
        .send()
        .await;
    let text = answer.text();
    let values = text
        .lines()
        .filter(|line| line.starts_with(&format!("{metric}{{")) && line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

async fn clicks_that_were(shortener: &Platform, step: &str) -> f64 {
    counted(shortener, "shortener_clicks_total", &format!("step=\"{step}\"")).await
}

async fn eventually(what: &str, fleet: &Fleet, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let in_time = waited.await.is_ok();
    assert!(in_time, "{what}: not within {PATIENCE:?}\n{}", fleet.tails());
}
