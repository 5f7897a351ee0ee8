//! Opening each engine, by the scheme of the URL that its setting holds.

use std::sync::Arc;

use clock::SharedClock;
use leases::{LeaseStore, NatsLeaseStore, SqliteLeaseStore};
use nats::Nats;
use sql::{DatabaseUrl, Sqlite};
use streams::{NatsStreamLog, SqliteStreamLog, StreamLog};
use telemetry::Telemetry;

use super::{Opened, Opener};
use crate::assembly::RunError;
use crate::config::{SettingError, Settings};
use crate::store::Database;
use crate::store::ledger::{PostgresLedger, SharedLedger, SqliteLedger};

/// What a URL's scheme stands for.
fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// Only the scheme is repeated: the rest may hold a password.
fn other_engine(setting: &'static str, rule: &'static str, url: &str) -> SettingError {
    SettingError::new(setting, rule, scheme(url))
}

const STORE_URL: &str = "must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME";
const LOG_URL: &str = "must be sqlite:PATH or nats://HOST:PORT";
const SHARED_LEASES: &str = "must be nats://HOST:PORT?prefix=NAME while payment.database_url is postgres:, \
     for processes that share a ledger need worker numbers that they share";

fn database_url(settings: &Settings) -> Result<DatabaseUrl, SettingError> {
    let url = &settings.database_url;
    DatabaseUrl::parse(url).map_err(|_| other_engine("database_url", STORE_URL, url))
}

/// Whether every URL names an engine that is compiled in; nothing is opened.
pub(crate) fn check_urls(settings: &Settings) -> Result<(), SettingError> {
    let database = database_url(settings)?;
    for (setting, url) in [
        ("streams_url", &settings.streams_url),
        ("leases_url", &settings.leases_url),
    ] {
        if !["sqlite", "nats"].contains(&scheme(url)) {
            return Err(other_engine(setting, LOG_URL, url));
        }
        if scheme(url) == "sqlite" {
            crate::config::sqlite_path(setting, url)?;
        }
    }
    // Processes with worker numbers of their own each would give the same ids to different transfers.
    if matches!(database, DatabaseUrl::Postgres(_)) && scheme(&settings.leases_url) != "nats" {
        return Err(other_engine("leases_url", SHARED_LEASES, &settings.leases_url));
    }
    Ok(())
}

/// The ledger on an open database.
pub(crate) fn ledger(database: &Database, clock: &SharedClock) -> SharedLedger {
    match database {
        Database::Sqlite(sql) => Arc::new(SqliteLedger::new(sql.clone(), clock.clone())),
        Database::Postgres(sql) => Arc::new(PostgresLedger::new(sql.clone())),
    }
}

impl Opener<'_> {
    pub(crate) async fn database(&self) -> Result<Database, RunError> {
        let url = database_url(self.settings)?;
        let opened = Database::open(
            &url,
            &self.settings.database_url,
            self.settings.sqlite.clone(),
            self.settings.postgres.clone(),
            self.telemetry.clone(),
            self.clock.clone(),
        );
        opened
            .await
            .map_err(|error| RunError::engine("database_url", &error))
    }

    pub(crate) async fn log(&self) -> Result<Opened<dyn StreamLog>, RunError> {
        const SETTING: &str = "streams_url";
        let (url, settings) = (&self.settings.streams_url, self.settings.streams.clone());
        let (telemetry, clock) = (self.telemetry.clone(), self.clock.clone());
        match scheme(url) {
            "sqlite" => {
                let path = crate::config::sqlite_path(SETTING, url)?;
                let log =
                    SqliteStreamLog::open(path, self.settings.sqlite.clone(), settings, telemetry, clock);
                let log = log.await.map_err(|error| RunError::engine(SETTING, &error))?;
                let connection = Arc::new(log.sql().clone());
                Ok(Opened {
                    port: Arc::new(log),
                    connection,
                })
            }
            "nats" => {
                let nats = self.nats(SETTING, url).await?;
                let log = NatsStreamLog::open(nats.clone(), settings, telemetry, clock).await;
                Ok(Opened {
                    port: Arc::new(log.map_err(|error| RunError::engine(SETTING, &error))?),
                    connection: Arc::new(nats),
                })
            }
            _ => Err(other_engine(SETTING, LOG_URL, url).into()),
        }
    }

    pub(crate) async fn leases(&self) -> Result<Opened<dyn LeaseStore>, RunError> {
        const SETTING: &str = "leases_url";
        let url = &self.settings.leases_url;
        match scheme(url) {
            "sqlite" => {
                let file = self.file(SETTING, url).await?;
                Ok(Opened {
                    port: Arc::new(SqliteLeaseStore::open(file.clone()).await?),
                    connection: Arc::new(file),
                })
            }
            "nats" => {
                let nats = self.nats(SETTING, url).await?;
                Ok(Opened {
                    port: Arc::new(NatsLeaseStore::open(&nats).await?),
                    connection: Arc::new(nats),
                })
            }
            _ => Err(other_engine(SETTING, LOG_URL, url).into()),
        }
    }

    async fn file(&self, setting: &'static str, url: &str) -> Result<Sqlite, RunError> {
        let path = crate::config::sqlite_path(setting, url)?;
        let (telemetry, clock) = (self.telemetry.clone(), self.clock.clone());
        Sqlite::open(path, self.settings.sqlite.clone(), telemetry, clock)
            .await
            .map_err(|error| RunError::engine(setting, &error))
    }

    async fn nats(&self, setting: &'static str, url: &str) -> Result<Nats, RunError> {
        let (settings, telemetry) = (self.settings.nats.clone(), self.telemetry.clone());
        Nats::connect(url, settings, telemetry, self.clock.clone())
            .await
            .map_err(|error| RunError::engine(setting, &error))
    }
}

/// The stream of payment events by itself, for a look at its dead letters. Whoever consumes it meanwhile is not disturbed.
pub async fn open_log(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<Arc<dyn StreamLog>, RunError> {
    const SETTING: &str = "streams_url";
    if scheme(&settings.streams_url) == "sqlite" {
        let log = SqliteStreamLog::attach(
            crate::config::sqlite_path(SETTING, &settings.streams_url)?,
            settings.sqlite.clone(),
            settings.streams.clone(),
            telemetry.clone(),
            clock.clone(),
        )
        .await;
        return Ok(Arc::new(log.map_err(|error| RunError::engine(SETTING, &error))?));
    }
    let opener = Opener {
        settings,
        telemetry,
        clock,
    };
    Ok(opener.log().await?.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_processes_share_needs_worker_numbers_that_they_share() {
        let mut settings = Settings::default();
        check_urls(&settings).expect("the defaults are good");
        settings.database_url = "postgres://orrery@db/orrery?schema=payment".to_owned();
        assert_eq!(check_urls(&settings).unwrap_err().setting, "leases_url");
        settings.leases_url = "nats://events".to_owned();
        check_urls(&settings).expect("all is shared");
    }

    #[test]
    fn an_engine_that_is_not_compiled_in_is_named_by_its_setting_without_its_password() {
        for setting in ["database_url", "streams_url"] {
            let mut settings = Settings::default();
            let url = "mysql://me:secret@broker/x".to_owned();
            match setting {
                "database_url" => settings.database_url = url,
                _ => settings.streams_url = url,
            }
            let error = check_urls(&settings).unwrap_err();
            let said = error.to_string();
            assert_eq!(error.setting, setting);
            assert!(said.contains("mysql") && !said.contains("secret"), "{said}");
        }
    }
}
