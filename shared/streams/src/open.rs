//! A log by its URL.

use std::path::PathBuf;
use std::sync::Arc;

use clock::SharedClock;
use nats::{Nats, NatsSettings};
use resilience::Opened;
use sql::{SqlError, SqliteSettings};
use telemetry::Telemetry;

use crate::{NatsStreamLog, SqliteStreamLog, StreamError, StreamLog, StreamSettings};

/// Which engine a log is on, and how each that it may be on is used.
#[derive(Clone)]
pub struct LogOpener {
    /// `sqlite:PATH` or `nats://HOST:PORT?prefix=NAME`.
    pub url: String,
    /// Of either engine.
    pub settings: StreamSettings,
    /// Of a file.
    pub sqlite: SqliteSettings,
    /// Of a server.
    pub nats: NatsSettings,
    /// Whose metrics and spans tell of it.
    pub telemetry: Telemetry,
    /// What time it is.
    pub clock: SharedClock,
}

impl LogOpener {
    /// Opens it for whoever publishes and consumes.
    pub async fn open(self) -> Result<Opened<dyn StreamLog>, StreamError> {
        if !self.is_file() {
            return self.on_nats().await;
        }
        let path = self.path()?;
        let log = SqliteStreamLog::open(path, self.sqlite, self.settings, self.telemetry, self.clock);
        Ok(opened(log.await?))
    }

    /// Opens it for a look, at its dead letters for example. Whoever consumes it meanwhile is not disturbed.
    pub async fn attach(self) -> Result<Opened<dyn StreamLog>, StreamError> {
        if !self.is_file() {
            return self.on_nats().await;
        }
        let path = self.path()?;
        let log = SqliteStreamLog::attach(path, self.sqlite, self.settings, self.telemetry, self.clock);
        Ok(opened(log.await?))
    }

    fn is_file(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    fn path(&self) -> Result<PathBuf, SqlError> {
        sql::sqlite_path(&self.url).map_err(|error| SqlError::Url(error.into()))
    }

    async fn on_nats(self) -> Result<Opened<dyn StreamLog>, StreamError> {
        let nats = Nats::connect(&self.url, self.nats, self.telemetry.clone(), self.clock.clone()).await?;
        let log = NatsStreamLog::open(nats.clone(), self.settings, self.telemetry, self.clock).await?;
        Ok(Opened {
            port: Arc::new(log),
            connection: Arc::new(nats),
        })
    }
}

fn opened(log: SqliteStreamLog) -> Opened<dyn StreamLog> {
    let connection = Arc::new(log.sql().clone());
    Opened {
        port: Arc::new(log),
        connection,
    }
}

#[cfg(test)]
mod tests {
    use clock::SystemClock;
    use telemetry::TelemetrySettings;

    use super::*;

    fn opener(url: String) -> LogOpener {
        let clock = SystemClock::shared();
        LogOpener {
            url,
            settings: StreamSettings::default(),
            sqlite: SqliteSettings::default(),
            nats: NatsSettings::default(),
            telemetry: Telemetry::new("streams", "test", &TelemetrySettings::default(), clock.clone())
                .unwrap(),
            clock,
        }
    }

    #[tokio::test]
    async fn a_file_is_opened_and_looked_at_beside_and_is_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let opener = opener(format!("sqlite:{}", folder.path().join("streams.db").display()));
        let log = opener.clone().open().await.unwrap();
        assert!(!log.connection.is_remote());
        log.connection.probe().await.unwrap();
        let look = opener.attach().await.unwrap();
        log.connection.close().await;
        assert!(
            log.port.probe().await.is_err(),
            "the connection is the port's own"
        );
        look.port.probe().await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_that_is_not_compiled_in_is_named_without_its_password() {
        for url in ["kafka://me:secret@broker", "sqlite:"] {
            let Err(error) = opener(url.to_owned()).open().await else {
                panic!("{url} was opened");
            };
            let said = error.to_string();
            assert!(!error.retryable(), "{said}");
            assert!(!said.contains("secret") && said.contains("use "), "{said}");
        }
    }
}
