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

#[cfg(test)]
mod tests {
    use clock::SystemClock;
    use telemetry::TelemetrySettings;

    use super::*;

    async fn opened(url: &str) -> Result<Opened<dyn LeaseStore>, LeaseError> {
        let clock = SystemClock::shared();
        let telemetry =
            Telemetry::new("leases", "test", &TelemetrySettings::default(), clock.clone()).unwrap();
        let (sqlite, nats) = (SqliteSettings::default(), NatsSettings::default());
        open(url, sqlite, nats, telemetry, clock).await
    }

    #[tokio::test]
    async fn a_file_is_opened_with_its_table_and_is_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("leases.db").display());
        let leases = opened(&url).await.unwrap();
        assert!(!leases.connection.is_remote());
        leases.port.acquire("a", 1_000, 2_000).await.unwrap();
        leases.connection.close().await;
        let closed = leases.port.acquire("b", 1_000, 2_000).await;
        assert!(closed.is_err(), "the connection is the port's own");
    }

    #[tokio::test]
    async fn an_engine_that_is_not_compiled_in_is_named_without_its_password() {
        for url in ["etcd://me:secret@host", "sqlite:"] {
            let Err(error) = opened(url).await else {
                panic!("{url} was opened");
            };
            let said = error.to_string();
            assert!(!error.retryable(), "{said}");
            assert!(!said.contains("secret") && said.contains("use "), "{said}");
        }
    }
}
