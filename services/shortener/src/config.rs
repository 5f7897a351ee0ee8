//! The `[shortener]` settings. An environment variable is `ORRERY_SHORTENER_` and the field's path in capitals.

mod bulk;
mod click_slots;
mod clicks;
mod geo;
mod link_details;
mod live;
mod passwords;
mod statistics;
mod targets;
mod warm_up;

pub(crate) use bulk::BulkSettings;
pub(crate) use click_slots::SlotSettings;
pub(crate) use clicks::{Analytics, ClickSettings};
pub(crate) use geo::GeoSettings;
pub(crate) use link_details::DetailLimits;
pub(crate) use live::LiveSettings;
pub(crate) use passwords::PasswordSettings;
pub(crate) use statistics::StatisticsSettings;
pub(crate) use targets::TargetSettings;
pub(crate) use warm_up::WarmUpSettings;

use std::path::PathBuf;

use cache::{CacheSettings, SharedCacheSettings};
use client::ClientSettings;
use config::Secret;
use idempotency::IdempotencySettings;
use identity::VerifierSettings;
use leases::LeaseSettings;
use nats::NatsSettings;
use redis_engine::RedisSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sql::{SqliteSettings, UrlError};
use streams::{ConsumerSettings, StreamSettings};
use url::Url;
use wide::WideSettings;

use crate::link::{OwnHosts, TAG_CHARS_MAX, TAGS_MAX, URL_BYTES_MAX};
use crate::operations::Limits;
use crate::passwords::Passwords;

/// What `orrery export clicks` can reach back: a week.
const VISITS_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// The platform's promise: an acknowledged change is followed everywhere after this.
const STALE_MS_MAX: u64 = 1_000;

/// What an operator may tune about the shortener.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where links are kept: `sqlite:PATH` or `scylla://HOST:PORT,HOST:PORT/KEYSPACE?replication=3` (ScyllaDB or Cassandra).
    pub database_url: String,
    /// Where click events wait to be counted: `sqlite:PATH` or `nats://HOST:PORT?prefix=NAME` (JetStream).
    pub streams_url: String,
    /// Where worker ids are leased: `sqlite:PATH` or `nats://HOST:PORT?prefix=NAME`.
    pub leases_url: String,
    /// What processes share of where codes lead: nothing (`memory:`), or `redis://HOST:PORT/DB?prefix=NAME`. Without it only one
    /// process may serve the links.
    pub cache_url: String,
    /// The key of generated codes, 64 hexadecimal digits; unset, it is read from `code_key_file`. It can never change.
    pub code_key: Secret,
    /// The file of the code key, made at first start.
    pub code_key_file: String,
    /// The address links are published under, `http://host[:port]`: what short URLs begin with, and what none may lead to.
    pub public_url: String,
    /// Further hosts (`host` or `host:port`) that no link may lead to.
    pub own_hosts: Vec<String>,
    /// Further ports that no link may lead to on this machine.
    pub own_ports: Vec<u16>,
    /// How many code counters are leased from the store at a time; what is left of them at a restart is lost.
    pub code_range_size: u64,
    /// Longest URL, in bytes.
    pub url_bytes_max: usize,
    /// Most tags on a link.
    pub tags_max: usize,
    /// Longest tag, in characters.
    pub tag_chars_max: usize,
    /// How far ahead an expiry or a beginning may lie, in days.
    pub expiry_days_max: u64,
    /// How large the parts of a link may be that most links do not have.
    pub link_details: DetailLimits,
    /// Where links may not lead.
    pub targets: TargetSettings,
    /// Requests about many links.
    pub bulk: BulkSettings,
    /// Passwords of links.
    pub passwords: PasswordSettings,
    /// Links on a page of the list when the request names no number.
    pub list_limit_default: u32,
    /// Most links on a page of the list.
    pub list_limit_max: u32,
    /// How long an answer is kept for repeats of its `Idempotency-Key`, in milliseconds; at least 24 hours.
    pub idempotency_keep_ms: u64,
    /// Requests that repeat an `Idempotency-Key` while the first is being worked on.
    pub idempotency: IdempotencySettings,
    /// Where codes lead, remembered in process.
    pub cache: CacheSettings,
    /// How that works together with what processes share; `cache_url` chooses the engine.
    pub shared_cache: SharedCacheSettings,
    /// What is remembered before the first request.
    pub warm_up: WarmUpSettings,
    /// Click events.
    pub clicks: ClickSettings,
    /// Where visits come from.
    pub geo: GeoSettings,
    /// The stream of click events.
    pub streams: StreamSettings,
    /// The consumers that count clicks. Of the newer one, `statistics.events_max` is the batch.
    pub consumer: ConsumerSettings,
    /// What is made of click events.
    pub statistics: StatisticsSettings,
    /// The lease on the worker number that ids carry.
    pub lease: LeaseSettings,
    /// How slots of links with a click cap are shared.
    pub click_slots: SlotSettings,
    /// Pages that are kept up to date.
    pub live: LiveSettings,
    /// How often expired records are looked for, in milliseconds.
    pub garbage_interval_ms: u64,
    /// The SQLite files.
    pub sqlite: SqliteSettings,
    /// Sessions with ScyllaDB or Cassandra.
    pub cql: WideSettings,
    /// Connections to NATS.
    pub nats: NatsSettings,
    /// Connections to Redis.
    pub redis: RedisSettings,
    /// What a token must be.
    pub tokens: VerifierSettings,
    /// Where the issuer publishes its keys.
    pub jwks_url: String,
    /// Calls to other roles.
    pub client: ClientSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database_url: "sqlite:.orrery/shortener.db".to_owned(),
            streams_url: "sqlite:.orrery/streams.db".to_owned(),
            leases_url: "sqlite:.orrery/leases.db".to_owned(),
            cache_url: "memory:".to_owned(),
            code_key: Secret::default(),
            code_key_file: ".orrery/shortener.key".to_owned(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            own_hosts: Vec::new(),
            own_ports: Vec::new(),
            code_range_size: 1_000,
            url_bytes_max: URL_BYTES_MAX,
            tags_max: TAGS_MAX,
            tag_chars_max: TAG_CHARS_MAX,
            expiry_days_max: 36_525,
            link_details: DetailLimits::default(),
            targets: TargetSettings::default(),
            bulk: BulkSettings::default(),
            passwords: PasswordSettings::default(),
            list_limit_default: 50,
            list_limit_max: 100,
            idempotency_keep_ms: idempotency::RECORD_TTL_MS_MIN,
            idempotency: IdempotencySettings::default(),
            cache: CacheSettings::default(),
            shared_cache: SharedCacheSettings::default(),
            warm_up: WarmUpSettings::default(),
            clicks: ClickSettings::default(),
            geo: GeoSettings::default(),
            streams: StreamSettings {
                retention_ms: VISITS_KEPT_MS,
                ..StreamSettings::default()
            },
            consumer: ConsumerSettings::default(),
            statistics: StatisticsSettings::default(),
            lease: LeaseSettings::default(),
            click_slots: SlotSettings::default(),
            live: LiveSettings::default(),
            garbage_interval_ms: 60_000,
            sqlite: SqliteSettings::default(),
            cql: WideSettings::default(),
            nats: NatsSettings::default(),
            redis: RedisSettings::default(),
            tokens: VerifierSettings::default(),
            jwks_url: "http://127.0.0.1:8092/.well-known/jwks.json".to_owned(),
            client: ClientSettings::default(),
        }
    }
}

/// A setting that cannot be used; names the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shortener.{setting}: {rule}, but it is {found:?}")]
pub struct SettingError {
    /// The setting inside `[shortener]`.
    pub setting: &'static str,
    /// What it must be.
    pub rule: &'static str,
    /// What it is.
    pub found: String,
}

impl SettingError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        "setting_refused"
    }

    /// Never: an operator must change it.
    pub fn retryable(&self) -> bool {
        false
    }
}

impl Settings {
    /// The rules' numbers, checked.
    pub(crate) fn limits(&self) -> Result<Limits, SettingError> {
        let refuse = |setting, rule, found: u64| {
            Err(SettingError {
                setting,
                rule,
                found: found.to_string(),
            })
        };
        if self.idempotency_keep_ms < idempotency::RECORD_TTL_MS_MIN {
            return refuse(
                "idempotency_keep_ms",
                "must be at least 86400000 (24 hours)",
                self.idempotency_keep_ms,
            );
        }
        if self.list_limit_max == 0 || self.list_limit_max > 1_000 {
            return refuse(
                "list_limit_max",
                "must be between 1 and 1000",
                self.list_limit_max.into(),
            );
        }
        self.clicks.check(&self.streams)?;
        self.geo.header()?;
        if self.shared_cache.near_ttl_ms > STALE_MS_MAX {
            return refuse(
                "shared_cache.near_ttl_ms",
                "must be at most 1000: no process follows an old target longer than that",
                self.shared_cache.near_ttl_ms,
            );
        }
        // The hold runs from when Redis began it, which this process may hear of a little later.
        let written_after_ms = self.shared_cache.write_timeout_ms + self.cql.write_deadline_ms;
        if self.shared_cache.write_hold_ms <= written_after_ms {
            return refuse(
                "shared_cache.write_hold_ms",
                "must be longer than shared_cache.write_timeout_ms and cql.write_deadline_ms together: nobody may remember a link that is still being written",
                self.shared_cache.write_hold_ms,
            );
        }
        if self.consumer.handle_timeout_ms <= self.cql.write_deadline_ms {
            return refuse(
                "consumer.handle_timeout_ms",
                "must be longer than cql.write_deadline_ms: a store that is away is no fault of an event",
                self.consumer.handle_timeout_ms,
            );
        }
        // A third of the lease passes before it is renewed; what is left must see at least one look.
        if self.lease.lease_ms / 3 < self.lease.check_interval_ms.max(1) {
            return refuse(
                "lease.lease_ms",
                "must be at least three times lease.check_interval_ms",
                self.lease.lease_ms,
            );
        }
        Ok(Limits {
            url_bytes_max: self.url_bytes_max,
            tags_max: self.tags_max,
            tag_chars_max: self.tag_chars_max,
            expiry_ms_max: self.expiry_days_max.saturating_mul(24 * 60 * 60 * 1_000),
            list_limit_default: self.list_limit_default.max(1),
            list_limit_max: self.list_limit_max,
            record_ttl_ms: self.idempotency_keep_ms,
            details: self.link_details.clone(),
            bulk: self.bulk.clone(),
            password_chars_min: self.passwords.chars_min,
            password_bytes_max: self.passwords.bytes_max,
        })
    }
}

impl Settings {
    /// What hashes and checks passwords.
    pub(crate) fn passwords(&self) -> Result<Passwords, SettingError> {
        Passwords::new(&self.passwords).ok_or_else(|| SettingError {
            setting: "passwords.memory_kib",
            rule: "and passwords.passes must be what Argon2 takes: 8 to 262144 KiB, 1 to 16 passes",
            found: format!(
                "{} KiB, {} passes",
                self.passwords.memory_kib, self.passwords.passes
            ),
        })
    }

    /// What no link may lead to, as far as the settings tell.
    pub(crate) fn own_hosts(&self) -> Result<OwnHosts, SettingError> {
        let refused = |setting, rule, found: &str| SettingError {
            setting,
            rule,
            found: found.to_owned(),
        };
        let base = Url::parse(&self.public_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
            .ok_or_else(|| refused("public_url", "must be http://host[:port]", &self.public_url))?;
        let mut own = OwnHosts::new().base_url(&base);
        for port in &self.own_ports {
            own = own.loopback_port(*port);
        }
        for host in &self.own_hosts {
            own = own
                .authority(host)
                .ok_or_else(|| refused("own_hosts", "must be hosts, or hosts with a port", host))?;
        }
        Ok(own)
    }
}

/// The path in a `sqlite:PATH` URL; what is wrong with it names the setting. Only the scheme is shown: the rest may hold a password.
pub(crate) fn sqlite_path(setting: &'static str, url: &str) -> Result<PathBuf, SettingError> {
    sql::sqlite_path(url).map_err(|error| {
        let (rule, found) = match error {
            UrlError::NoFile => ("must name a file, sqlite:PATH", "sqlite"),
            UrlError::OtherEngine(_) => ("must be sqlite:PATH", url.split(':').next().unwrap_or_default()),
        };
        SettingError {
            setting,
            rule,
            found: found.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_settings_describe_themselves() {
        assert_eq!(config::Catalog::of::<Settings>().check().err(), None);
    }

    #[test]
    fn an_engine_that_is_not_there_is_an_error_that_names_the_setting() {
        assert_eq!(
            sqlite_path("database_url", "sqlite:/a/b.db").unwrap(),
            Path::new("/a/b.db")
        );
        for url in ["postgres://db/x", "scylla://db", "sqlite:", "/a/b.db", ""] {
            let error = sqlite_path("database_url", url).unwrap_err();
            assert!(
                error.to_string().starts_with("shortener.database_url: "),
                "{error}"
            );
        }
        let error = sqlite_path("database_url", "postgres://user:hunter2@host/db").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn bounds_with_which_every_click_would_be_lost_are_refused() {
        let refused = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.limits().unwrap_err().setting
        };
        assert!(Settings::default().limits().is_ok());
        assert_eq!(
            refused(&|s| s.clicks.event_clicks_max = 0),
            "clicks.event_clicks_max"
        );
        assert_eq!(
            refused(&|s| s.clicks.event_clicks_max = 100_000),
            "clicks.event_clicks_max"
        );
        assert_eq!(
            refused(&|s| s.streams.event_bytes_max = 1_000),
            "clicks.event_clicks_max"
        );
        assert_eq!(
            refused(&|s| s.clicks.event_links_max = 10),
            "clicks.event_links_max"
        );
        assert_eq!(refused(&|s| s.streams.batch_max = 10), "clicks.event_links_max");
    }

    #[test]
    fn a_lease_that_could_not_be_renewed_in_time_is_refused() {
        for lease_ms in [0, 2, 1_499] {
            let mut settings = Settings::default();
            settings.lease.lease_ms = lease_ms;
            assert_eq!(settings.limits().unwrap_err().setting, "lease.lease_ms");
        }
    }

    #[test]
    fn numbers_with_which_a_promise_would_not_hold_are_refused() {
        let refused = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.limits().unwrap_err().setting
        };
        assert_eq!(
            refused(&|s| s.shared_cache.near_ttl_ms = 1_001),
            "shared_cache.near_ttl_ms"
        );
        assert_eq!(
            refused(&|s| s.shared_cache.write_hold_ms = 6_500),
            "shared_cache.write_hold_ms"
        );
        assert_eq!(
            refused(&|s| s.consumer.handle_timeout_ms = s.cql.write_deadline_ms),
            "consumer.handle_timeout_ms"
        );
    }

    #[test]
    fn answers_are_kept_for_a_day_at_least() {
        let settings = Settings {
            idempotency_keep_ms: 1_000,
            ..Settings::default()
        };
        assert_eq!(settings.limits().unwrap_err().setting, "idempotency_keep_ms");
    }
}
