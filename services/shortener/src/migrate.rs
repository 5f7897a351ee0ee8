//! Bringing the service's stores to this version's schema, without serving.

use clock::SharedClock;
use leases::SqliteLeaseStore;
use sql::Sqlite;
use streams::SqliteStreamLog;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::{Settings, sqlite_path};
use crate::store::sqlite::SqliteLinkStore;

/// Makes the three files where they are missing and brings each to this program's schema. Twice is harmless.
pub async fn migrate(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), RunError> {
    let open = async |what, url: &str| {
        let path = sqlite_path(what, url)?;
        let opened = Sqlite::open(path, settings.sqlite.clone(), telemetry.clone(), clock.clone()).await;
        opened.map_err(|source| RunError::Database { what, source })
    };
    let links = open("database_url", &settings.database_url).await?;
    let opened = SqliteLinkStore::open(links.clone()).await;
    opened.map_err(|source| RunError::Database {
        what: "database_url",
        source,
    })?;
    links.close().await;

    let leases = open("leases_url", &settings.leases_url).await?;
    SqliteLeaseStore::open(leases.clone()).await?;
    leases.close().await;

    let path = sqlite_path("streams_url", &settings.streams_url)?;
    let (sqlite, streams) = (settings.sqlite.clone(), settings.streams.clone());
    let log = SqliteStreamLog::open(path, sqlite, streams, telemetry.clone(), clock.clone()).await?;
    log.sql().close().await;
    Ok(())
}
