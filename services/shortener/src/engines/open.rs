//! Opening each engine, by the scheme of the URL that its setting holds.

use std::sync::Arc;

use cache::{RedisSharedCache, SharedCache};
use clock::SharedClock;
use leases::LeaseStore;
use redis_engine::Redis;
use resilience::Opened;
use sql::Sqlite;
use streams::{LogOpener, StreamLog, StreamSettings};
use telemetry::Telemetry;
use wide::Wide;

use super::{Opener, Stores};
use crate::assembly::RunError;
use crate::config::{SettingError, Settings};
use crate::store::cql::{CqlDomainRules, CqlLinkStore, CqlSlots, CqlStatistics};
use crate::store::sqlite::{SqliteDomainRules, SqliteLinkStore, SqliteSlots, SqliteStatistics};

/// What a URL's scheme stands for.
fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// Only the scheme is repeated: the rest may hold a password.
fn other_engine(setting: &'static str, rule: &'static str, url: &str) -> SettingError {
    SettingError {
        setting,
        rule,
        found: scheme(url).to_owned(),
    }
}

const STORE_URL: &str = "must be sqlite:PATH or scylla://HOST:PORT/KEYSPACE";
const LOG_URL: &str = "must be sqlite:PATH or nats://HOST:PORT";
const CACHE_URL: &str = "must be memory: or redis://HOST:PORT/DB";
const SHARED_LEASES: &str =
    "must be nats://HOST:PORT where links are kept in scylla:, which several processes share";
const SHARED_CACHE: &str =
    "must be redis://HOST:PORT/DB where links are kept in scylla:, which several processes share";
const SPOOL_URL: &str = "must be sqlite:PATH";

/// Whether every URL names an engine that is compiled in; nothing is opened.
pub(crate) fn check_urls(settings: &Settings) -> Result<(), SettingError> {
    let rules: [(&'static str, &str, &'static str, &[&str]); 5] = [
        (
            "database_url",
            &settings.database_url,
            STORE_URL,
            &["sqlite", "scylla"],
        ),
        ("streams_url", &settings.streams_url, LOG_URL, &["sqlite", "nats"]),
        ("leases_url", &settings.leases_url, LOG_URL, &["sqlite", "nats"]),
        ("cache_url", &settings.cache_url, CACHE_URL, &["memory", "redis"]),
        (
            "clicks.spool_url",
            &settings.clicks.spool_url,
            SPOOL_URL,
            &["sqlite"],
        ),
    ];
    for (setting, url, rule, schemes) in rules {
        if !schemes.contains(&scheme(url)) {
            return Err(other_engine(setting, rule, url));
        }
        if scheme(url) == "sqlite" {
            crate::config::sqlite_path(setting, url)?;
        }
    }
    // Links in a store that several processes can serve, with worker numbers or memories that each has for itself, would be
    // given the same ids and led to old targets.
    if scheme(&settings.database_url) == "scylla" {
        let shared: [(&'static str, &str, &'static str, &str); 2] = [
            ("leases_url", &settings.leases_url, "nats", SHARED_LEASES),
            ("cache_url", &settings.cache_url, "redis", SHARED_CACHE),
        ];
        for (setting, url, engine, rule) in shared {
            if scheme(url) != engine {
                return Err(other_engine(setting, rule, url));
            }
        }
    }
    Ok(())
}

impl Opener<'_> {
    pub(crate) async fn stores(&self) -> Result<Opened<Stores>, RunError> {
        const SETTING: &str = "database_url";
        let url = &self.settings.database_url;
        match scheme(url) {
            "sqlite" => {
                let file = self.file(SETTING, url).await?;
                let store = SqliteLinkStore::open(file.clone()).await;
                let store = store.map_err(|error| RunError::engine(SETTING, &error))?;
                Ok(Opened {
                    port: Arc::new(Stores {
                        links: Arc::new(store),
                        slots: Arc::new(SqliteSlots::new(file.clone())),
                        statistics: Arc::new(SqliteStatistics::new(file.clone())),
                        rules: Arc::new(SqliteDomainRules::new(file.clone())),
                    }),
                    connection: Arc::new(file),
                })
            }
            "scylla" => {
                let wide = self.wide(SETTING, url).await?;
                let store = CqlLinkStore::open(wide.clone()).await;
                let store = store.map_err(|error| RunError::engine(SETTING, &error))?;
                let event_ids_keep_ms = self.settings.clicks.event_ids_keep_ms;
                let days_kept = self.settings.statistics.days_kept;
                Ok(Opened {
                    port: Arc::new(Stores {
                        links: Arc::new(store.keeping_event_ids(event_ids_keep_ms)),
                        slots: Arc::new(CqlSlots::new(wide.clone())),
                        statistics: Arc::new(CqlStatistics::new(wide.clone(), days_kept)),
                        rules: Arc::new(CqlDomainRules::new(wide.clone())),
                    }),
                    connection: Arc::new(wide),
                })
            }
            _ => Err(other_engine(SETTING, STORE_URL, url).into()),
        }
    }

    /// Takes away what only older programs need.
    pub(crate) async fn contract_store(&self) -> Result<(), RunError> {
        const SETTING: &str = "database_url";
        let url = &self.settings.database_url;
        match scheme(url) {
            "sqlite" => {
                let file = self.file(SETTING, url).await?;
                let done = SqliteLinkStore::contract(&file).await;
                file.close().await;
                done.map_err(|error| RunError::engine(SETTING, &error))
            }
            "scylla" => {
                let wide = self.wide(SETTING, url).await?;
                let done = CqlLinkStore::contract(&wide).await;
                wide.close().await;
                done.map_err(|error| RunError::engine(SETTING, &error))
            }
            _ => Err(other_engine(SETTING, STORE_URL, url).into()),
        }
    }

    async fn wide(&self, setting: &'static str, url: &str) -> Result<Wide, RunError> {
        let (settings, telemetry) = (self.settings.cql.clone(), self.telemetry.clone());
        let wide = Wide::connect(url, settings, telemetry, self.clock.clone()).await;
        wide.map_err(|error| RunError::engine(setting, &error))
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

    /// What processes share what they remember in. None in `memory:`: what one process remembers is then all there is.
    pub(crate) fn redis(&self) -> Result<Option<Redis>, RunError> {
        const SETTING: &str = "cache_url";
        let url = &self.settings.cache_url;
        match scheme(url) {
            "memory" => Ok(None),
            "redis" => {
                let (settings, clock) = (self.settings.redis.clone(), self.clock.clone());
                // Without it redirects go on, and so does a start: it connects when it can, and `/readyz` says so.
                let redis = Redis::connecting(url, settings, self.telemetry, clock);
                Ok(Some(redis.map_err(|error| RunError::engine(SETTING, &error))?))
            }
            _ => Err(other_engine(SETTING, CACHE_URL, url).into()),
        }
    }

    pub(crate) fn shared_cache(redis: &Redis) -> Result<Opened<dyn SharedCache>, RunError> {
        let port = RedisSharedCache::new(redis.clone(), "destinations");
        Ok(Opened {
            port: Arc::new(port.map_err(|error| RunError::engine("cache_url", &error))?),
            connection: Arc::new(redis.clone()),
        })
    }

    /// None where the stream itself is a file of this machine.
    pub(crate) async fn spool(&self) -> Result<Option<Opened<dyn StreamLog>>, RunError> {
        const SETTING: &str = "clicks.spool_url";
        if scheme(&self.settings.streams_url) == "sqlite" {
            return Ok(None);
        }
        let settings = self.settings.clicks.spool(&self.settings.streams);
        let opened = self
            .log_at(&self.settings.clicks.spool_url, settings)
            .open()
            .await;
        opened
            .map(Some)
            .map_err(|error| RunError::engine(SETTING, &error))
    }

    async fn file(&self, setting: &'static str, url: &str) -> Result<Sqlite, RunError> {
        let path = crate::config::sqlite_path(setting, url)?;
        let (telemetry, clock) = (self.telemetry.clone(), self.clock.clone());
        Sqlite::open(path, self.settings.sqlite.clone(), telemetry, clock)
            .await
            .map_err(|error| RunError::engine(setting, &error))
    }
}

/// The stream of click events by itself, for a look at its dead letters. Whoever consumes it meanwhile is not disturbed.
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
    fn links_that_processes_share_need_worker_numbers_and_memories_that_they_share() {
        let mut settings = Settings::default();
        check_urls(&settings).expect("the defaults are good");
        settings.database_url = "scylla://db/links".to_owned();
        assert_eq!(check_urls(&settings).unwrap_err().setting, "leases_url");
        settings.leases_url = "nats://events".to_owned();
        assert_eq!(check_urls(&settings).unwrap_err().setting, "cache_url");
        settings.cache_url = "redis://cache/0".to_owned();
        check_urls(&settings).expect("all is shared");
    }

    #[test]
    fn an_engine_that_is_not_compiled_in_is_named_by_its_setting_without_its_password() {
        let settings = Settings {
            streams_url: "kafka://me:secret@broker".to_owned(),
            ..Settings::default()
        };
        let error = check_urls(&settings).unwrap_err();
        let said = error.to_string();
        assert_eq!(error.setting, "streams_url");
        assert!(said.contains("kafka") && !said.contains("secret"), "{said}");
    }
}
