//! The database, opened and brought to this program's schema.

use std::sync::Arc;

use clock::SharedClock;
use sql::{DatabaseUrl, Postgres, Sqlite};
use telemetry::Telemetry;

use crate::SharedStore;
use crate::config::Settings;
use crate::error::ProcessorError;
use crate::store::{PostgresStore, SqliteStore, StoreError};

/// Opens the database and brings it to this program's schema, as far as older programs can follow.
pub(crate) async fn open(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<SharedStore, ProcessorError> {
    Ok(match settings.database()? {
        DatabaseUrl::Sqlite(path) => {
            let sql = sqlite(settings, &path, telemetry, clock).await?;
            Arc::new(SqliteStore::new(sql).await?)
        }
        DatabaseUrl::Postgres(_) => {
            let sql = postgres(settings, telemetry, clock).await?;
            Arc::new(PostgresStore::new(sql).await?)
        }
    })
}

async fn sqlite(
    settings: &Settings,
    path: &std::path::Path,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<Sqlite, StoreError> {
    let (limits, telemetry, clock) = (settings.sqlite.clone(), telemetry.clone(), clock.clone());
    Ok(Sqlite::open(path, limits, telemetry, clock).await?)
}

async fn postgres(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<Postgres, StoreError> {
    let url = settings.database_url.as_deref().unwrap_or_default();
    let (limits, telemetry, clock) = (settings.postgres.clone(), telemetry.clone(), clock.clone());
    Ok(Postgres::connect(url, limits, telemetry, clock).await?)
}

/// Makes the database and brings it to this program's schema, as far as older programs can follow.
pub async fn migrate(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), ProcessorError> {
    open(settings, telemetry, clock).await?.close().await;
    Ok(())
}

/// Brings the database to this program's schema whole, and so takes away what only older programs need: for when none of them runs any more.
pub async fn contract(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), ProcessorError> {
    match settings.database()? {
        DatabaseUrl::Sqlite(path) => {
            let sql = sqlite(settings, &path, telemetry, clock).await?;
            SqliteStore::contract(&sql).await?;
            sql.close().await;
        }
        DatabaseUrl::Postgres(_) => {
            let sql = postgres(settings, telemetry, clock).await?;
            PostgresStore::contract(&sql).await?;
            sql.close().await;
        }
    }
    Ok(())
}
