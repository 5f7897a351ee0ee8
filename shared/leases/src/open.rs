//! A store of worker numbers by its URL.

use std::sync::Arc;

use clock::SharedClock;
use nats::{Nats, NatsSettings};
use resilience::Opened;
use sql::{SqlError, Sqlite, SqliteSettings};
use telemetry::Telemetry;

use crate::{LeaseError, LeaseStore, NatsLeaseStore, SqliteLeaseStore};

/// Opens what `url` names: `sqlite:PATH` or `nats://HOST:PORT?prefix=NAME`.
pub async fn open(
    url: &str,
    sqlite: SqliteSettings,
    nats: NatsSettings,
    telemetry: Telemetry,
    clock: SharedClock,
) -> Result<Opened<dyn LeaseStore>, LeaseError> {
    if url.starts_with("sqlite:") {
        let sql = Sqlite::open(
            sql::sqlite_path(url).map_err(|error| SqlError::Url(error.into()))?,
            sqlite,
            telemetry,
            clock,
        )
        .await?;
        return Ok(Opened {
            port: Arc::new(SqliteLeaseStore::open(sql.clone()).await?),
            connection: Arc::new(sql),
        });
    }
    let nats = Nats::connect(url, nats, telemetry, clock).await?;
    Ok(Opened {
        port: Arc::new(NatsLeaseStore::open(&nats).await?),
        connection: Arc::new(nats),
    })
}
