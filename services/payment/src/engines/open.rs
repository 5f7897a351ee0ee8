//! Opening each engine, by the scheme of the URL that its setting holds.

use std::sync::Arc;

use clock::SharedClock;
use leases::LeaseStore;
use resilience::Opened;
use sql::DatabaseUrl;
use streams::{LogOpener, StreamLog, StreamSettings};
use telemetry::Telemetry;

use super::Opener;
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
        let opened = self.log_at(&self.settings.streams_url, self.settings.streams.clone());
        let opened = opened.open().await;
        opened.map_err(|error| RunError::engine("streams_url", &error))
    }

    fn log_at(&self, url: &str, settings: StreamSettings) -> LogOpener {
        LogOpener {
            url: url.to_owned(),
            settings,
            sqlite: self.settings.sqlite.clone(),
            nats: self.settings.nats.clone(),
            telemetry: self.telemetry.clone(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) async fn leases(&self) -> Result<Opened<dyn LeaseStore>, RunError> {
        let (sqlite, nats) = (self.settings.sqlite.clone(), self.settings.nats.clone());
        let (telemetry, clock) = (self.telemetry.clone(), self.clock.clone());
        let opened = leases::open(&self.settings.leases_url, sqlite, nats, telemetry, clock).await;
        opened.map_err(|error| RunError::engine("leases_url", &error))
    }
}

/// The stream of payment events by itself, for a look at its dead letters. Whoever consumes it meanwhile is not disturbed.
pub async fn open_log(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<Arc<dyn StreamLog>, RunError> {
    let opener = Opener {
        settings,
        telemetry,
        clock,
    };
    let log = opener.log_at(&settings.streams_url, settings.streams.clone());
    let attached = log.attach().await;
    let attached = attached.map_err(|error| RunError::engine("streams_url", &error))?;
    Ok(attached.port)
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
