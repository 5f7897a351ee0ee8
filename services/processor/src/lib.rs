#![doc = include_str!("../README.md")]

pub mod charge;
mod config;
mod error;
mod event;
mod faults;
mod http;
mod method;
mod metrics;
mod moment;
mod operations;
mod schema;
mod secrets;
pub mod store;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientSettings};
use idempotency::InFlight;
use server::ServeError;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use config::{Settings, WebhookSettings};
pub use error::ProcessorError;
pub use http::openapi;
pub use schema::{contract, migrate};
pub use secrets::Secrets;

/// What this service promises, in OpenSLO: everything that watches it is made of this.
pub const OBJECTIVES: &str = include_str!("../slo.yaml");

/// How often and how long readiness asks the database: a loss shows within 2 s.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// Whether the settings by themselves are fit to run on; no file is opened.
pub fn check(settings: &Settings) -> Result<(), ProcessorError> {
    settings.rules()?;
    settings.database()?;
    secrets::check(settings)
}

/// Registers every metric that this role can emit, whatever engines stand behind it: for `docs/metrics.md`.
pub fn describe_metrics(telemetry: &telemetry::Telemetry) {
    server::describe_metrics(telemetry);
    client::describe_metrics(telemetry);
    sql::describe_metrics(telemetry);
    metrics::Metrics::of(telemetry);
}

/// Serves until the role is asked to drain. `settings.database_url` must be set; the folders of the files must exist.
pub async fn run(role: server::Role, settings: Settings) -> Result<(), ProcessorError> {
    let rules = settings.rules()?;
    let secrets = Secrets::open(&settings)?;
    let store = schema::open(&settings, &role.telemetry, &role.clock).await?;
    if rules.fault_controls {
        tracing::info!("fault controls are on: whoever has the API secret can make this processor lie");
    }
    let app = http::App::new(http::AppParts {
        store: store.clone(),
        rules,
        clock: role.clock.clone(),
        secrets: secrets.clone(),
        faults: faults::FaultControls::default(),
        metrics: metrics::Metrics::of(&role.telemetry),
        in_flight: InFlight::new(settings.idempotency),
        under_way: operations::perform::UnderWay::default(),
        webhook_made: Notify::new(),
    });
    let mut workers = JoinSet::new();
    let interval = Duration::from_millis(settings.housekeeping_interval_ms.max(100));
    workers.spawn(workers::housekeeping::run(app.clone(), interval));
    if let Some(to) = app.rules.webhook_url.clone() {
        let limits = ClientSettings {
            request_timeout_ms: settings.webhooks.timeout_ms,
            ..settings.client.clone()
        };
        let client = Client::new(role.telemetry.clone(), role.clock.clone(), limits);
        workers.spawn(workers::deliver_webhooks::run(app.clone(), client, secrets, to));
    }
    let probed = store.clone();
    let readiness =
        server::Readiness::new(role.clock.clone()).check("database", PROBE_EVERY, PROBE_EVERY, move || {
            let store = probed.clone();
            async move { store.probe().await.map_err(|error| error.to_string()) }
        });
    let ended = beside(role.serve(http::router(app), readiness), &mut workers).await;
    workers.shutdown().await;
    store.close().await;
    ended
}

/// Serves for as long as the workers live, which never end by themselves.
async fn beside(
    serving: impl Future<Output = Result<(), ServeError>>,
    workers: &mut JoinSet<()>,
) -> Result<(), ProcessorError> {
    tokio::select! {
        served = serving => Ok(served?),
        Some(ended) = workers.join_next() => Err(ProcessorError::Worker(
            ended.map_or_else(|error| error.to_string(), |()| "unasked".to_owned()),
        )),
    }
}

/// The store behind a port.
type SharedStore = Arc<dyn store::Store>;
