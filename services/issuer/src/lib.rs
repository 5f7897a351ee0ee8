#![doc = include_str!("../README.md")]

mod api_keys;
mod config;
mod credentials;
mod error;
mod form_token;
mod hash_secret;
mod http;
mod metrics;
mod mint;
mod operations;
mod pages;
mod params;
mod signing_keys;
pub mod store;
mod workers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use server::ServeError;
use sql::{DatabaseUrl, Postgres, Sqlite};
use telemetry::Telemetry;
use tokio::task::JoinHandle;

pub use config::{ClientLimits, Settings};
pub use credentials::{Credentials, LISTED_MAX};
pub use error::IssuerError;
pub use hash_secret::SecretError;
pub use http::openapi;
pub use mint::{TokenRequest, contract, migrate, mint, rotate};
pub use operations::authorize::CLIENT_ID;
pub use operations::manage_keys::{KeyRequest, NewKey};

use store::{Identity, PostgresStore, SqliteStore, Store};

/// What this service promises, in OpenSLO: everything that watches it is made of this.
pub const OBJECTIVES: &str = include_str!("../slo.yaml");

/// The role's name: in URLs of its assets, metrics and traces.
const ROLE: &str = "issuer";

/// How often and how long readiness asks the database: a loss shows within 2 s.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// Whether the settings by themselves are fit to run on; no file is opened.
pub fn check(settings: &Settings) -> Result<(), IssuerError> {
    settings.rules()?;
    settings.database()?;
    hash_secret::check(settings)?;
    Ok(())
}

/// Registers every metric that this role can emit, whatever engines stand behind it: for `docs/metrics.md`.
pub fn describe_metrics(telemetry: &telemetry::Telemetry) {
    server::describe_metrics(telemetry);
    sql::describe_metrics(telemetry);
    metrics::Metrics::of(telemetry);
}

/// Serves until the role is asked to drain. `settings.database_url` and `settings.public_url` must be set; the folders of the
/// files must exist. On a listener or under a URL that other machines can reach nobody signs in: only programs with API keys get
/// tokens there.
pub async fn run(role: server::Role, settings: Settings) -> Result<(), IssuerError> {
    let mut rules = settings.rules()?;
    let address = role
        .api_addr()
        .map_err(|cause| IssuerError::Listener(cause.to_string()))?;
    rules.people_may_sign_in &= address.ip().is_loopback();
    if !rules.people_may_sign_in {
        tracing::info!(%address, issuer = rules.issuer, "not on loopback: nobody signs in here, programs with API keys get tokens");
    }
    let store = open(&settings, &role.telemetry, &role.clock).await?;
    let secret = hash_secret::open(&settings, &*store, role.clock.unix_ms()).await?;
    store
        .set_identity(&Identity {
            issuer: rules.issuer.clone(),
            audience: rules.audience.clone(),
        })
        .await?;
    let app = http::App {
        store: store.clone(),
        rules: Arc::new(rules),
        clock: role.clock.clone(),
        forms: form_token::FormTokens::keyed(secret.for_forms()),
        secret,
        metrics: metrics::Metrics::of(&role.telemetry),
    };
    // Before the first answer: a key set without keys would be refused by every verifier.
    workers::housekeeping::look_after(&app, role.clock.unix_ms()).await?;
    let interval = Duration::from_millis(settings.housekeeping_interval_ms.max(100));
    let mut housekeeping = tokio::spawn(workers::housekeeping::run(app.clone(), interval));
    let probed = store.clone();
    let readiness =
        server::Readiness::new(role.clock.clone()).check("database", PROBE_EVERY, PROBE_EVERY, move || {
            let store = probed.clone();
            async move { store.probe().await.map_err(|error| error.to_string()) }
        });
    let ended = beside(role.serve(http::router(app), readiness), &mut housekeeping).await;
    housekeeping.abort();
    store.close().await;
    ended
}

/// Serves for as long as the housekeeping lives, which never ends by itself: without it keys would grow old unnoticed.
async fn beside(
    serving: impl Future<Output = Result<(), ServeError>>,
    housekeeping: &mut JoinHandle<()>,
) -> Result<(), IssuerError> {
    tokio::select! {
        served = serving => Ok(served?),
        ended = housekeeping => Err(IssuerError::Housekeeping(
            ended.map_or_else(|error| error.to_string(), |()| "unasked".to_owned()),
        )),
    }
}

/// Opens the database and brings it to this program's schema.
async fn open(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<Arc<dyn Store>, IssuerError> {
    let (telemetry, clock) = (telemetry.clone(), clock.clone());
    Ok(match settings.database()? {
        DatabaseUrl::Sqlite(path) => {
            let sql = open_sqlite(settings, &path, telemetry, clock).await?;
            Arc::new(SqliteStore::new(sql).await?)
        }
        DatabaseUrl::Postgres(_) => {
            let sql = open_postgres(settings, telemetry, clock).await?;
            Arc::new(PostgresStore::new(sql).await?)
        }
    })
}

async fn open_sqlite(
    settings: &Settings,
    path: &Path,
    telemetry: Telemetry,
    clock: SharedClock,
) -> Result<Sqlite, store::StoreError> {
    Ok(Sqlite::open(path, settings.sqlite.clone(), telemetry, clock).await?)
}

async fn open_postgres(
    settings: &Settings,
    telemetry: Telemetry,
    clock: SharedClock,
) -> Result<Postgres, store::StoreError> {
    let url = settings.database_url.as_deref().unwrap_or_default();
    Ok(Postgres::connect(url, settings.postgres.clone(), telemetry, clock).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_housekeeping_that_panics_ends_the_role_with_an_error() {
        let mut housekeeping = tokio::spawn(async { panic!("planted") });
        let error = beside(std::future::pending(), &mut housekeeping)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "housekeeping_ended", "{error}");
    }
}
