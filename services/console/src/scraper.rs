//! Reads the metrics of every target in turn. One that cannot be read leaves a gap in its charts and nothing else.

use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError};
use futures::future::join_all;
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use resilience::Deadline;
use server::Drain;
use tokio::time::MissedTickBehavior;

use crate::config::Target;
use crate::console::Console;
use crate::metrics::Metrics;

/// The largest scrape that is read.
const SCRAPE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A scrape that takes longer is given up; the next round comes anyway.
const SCRAPE_WITHIN_MAX: Duration = Duration::from_secs(5);

/// The scraper.
pub(crate) struct Scraper {
    pub(crate) console: Console,
    pub(crate) client: Client,
    pub(crate) metrics: Metrics,
    pub(crate) targets: Vec<Target>,
    pub(crate) interval: Duration,
}

impl Scraper {
    /// Until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        let mut ticks = tokio::time::interval(self.interval);
        // A round that came late is no reason for two at once: rates are by the clock, not by rounds.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drain.begun() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = drain.begun() => return,
                () = self.round() => {}
            }
        }
    }

    async fn round(&self) {
        join_all(self.targets.iter().map(|target| self.scrape(target))).await;
        self.console.round_ended();
    }

    async fn scrape(&self, target: &Target) {
        let within = self.interval.clamp(Duration::from_secs(1), SCRAPE_WITHIN_MAX);
        let deadline = Deadline::after(&**self.client.clock(), within);
        let outcome = match deadline.scope(self.read(target)).await {
            Ok(text) => {
                let samples = slo::exposition::parse(&text);
                self.console.scraped(&target.job, target.instance(), &samples);
                "ok"
            }
            Err(error) => {
                tracing::debug!(job = target.job, %error, "a target cannot be read");
                error.code()
            }
        };
        self.metrics.scraped(&target.job, outcome);
    }

    async fn read(&self, target: &Target) -> Result<String, ClientError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = target.url.clone();
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("text/plain"));
        let response = self.client.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(ClientError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), SCRAPE_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| match error.downcast::<ClientError>() {
            Ok(error) => *error,
            Err(_limit) => ClientError::TooLarge {
                bytes_max: SCRAPE_BYTES_MAX,
            },
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|error| ClientError::Unreadable(error.to_string()))
    }
}
