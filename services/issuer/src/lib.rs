#![doc = include_str!("../README.md")]

mod config;
mod error;
mod form_token;
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
use sql::Sqlite;
use telemetry::Telemetry;

pub use config::Settings;
pub use error::IssuerError;
pub use http::openapi;
pub use mint::{TokenRequest, migrate, mint, rotate};
pub use operations::authorize::CLIENT_ID;

use store::{Identity, SqliteStore, Store};

/// The role's name: in URLs of its assets, metrics and traces.
const ROLE: &str = "issuer";

/// How often and how long readiness asks the database: a loss shows within 2 s.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// Serves until the role is asked to drain. `settings.database_url` and `settings.public_url` must be set; the folder of the
/// file must exist. Refuses to start on a listener that is not loopback.
pub async fn run(role: server::Role, settings: Settings) -> Result<(), IssuerError> {
    let rules = settings.rules()?;
    let address = role
        .api_addr()
        .map_err(|cause| IssuerError::NotLoopback(cause.to_string()))?;
    if !address.ip().is_loopback() {
        return Err(IssuerError::NotLoopback(address.to_string()));
    }
    let store: Arc<SqliteStore> = Arc::new(open(&settings, &role.telemetry, &role.clock).await?);
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
        forms: form_token::FormTokens::new(),
        metrics: metrics::Metrics::of(&role.telemetry),
    };
    // Before the first answer: a key set without keys would be refused by every verifier.
    workers::housekeeping::look_after(&app, role.clock.unix_ms()).await?;
    let interval = Duration::from_millis(settings.housekeeping_interval_ms.max(100));
    let housekeeping = tokio::spawn(workers::housekeeping::run(app.clone(), interval));
    let probed = store.clone();
    let readiness =
        server::Readiness::new(role.clock.clone()).check("database", PROBE_EVERY, PROBE_EVERY, move || {
            let store = probed.clone();
            async move { store.probe().await.map_err(|error| error.to_string()) }
        });
    let served = role.serve(http::router(app), readiness).await;
    housekeeping.abort();
    store.close().await;
    Ok(served?)
}

/// Opens the database and brings it to this program's schema.
async fn open(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<SqliteStore, IssuerError> {
    let path = settings.database()?;
    make_private(&path).map_err(|cause| IssuerError::File {
        path: path.display().to_string(),
        cause,
    })?;
    let sql = Sqlite::open(&path, settings.sqlite.clone(), telemetry.clone(), clock.clone());
    let sql = sql.await.map_err(store::StoreError::from)?;
    Ok(SqliteStore::new(sql).await?)
}

/// The file holds private keys: made readable for its owner alone, before SQLite makes it (its log files follow suit).
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
