//! The `[payment]` settings. An environment variable is `ORRERY_PAYMENT_` and the field's path in capitals.

mod audit;
mod books;
mod commits;
mod feed;
mod holds;
mod limits;
mod processor;
mod reconciliation;
mod risk;
mod saga;
mod vault;
mod webhooks;

pub(crate) use audit::AuditSettings;
pub(crate) use books::BookSettings;
pub(crate) use commits::CommitSettings;
pub(crate) use feed::FeedSettings;
pub(crate) use holds::HoldSettings;
pub(crate) use limits::LimitSettings;
pub(crate) use processor::ProcessorSettings;
pub(crate) use reconciliation::ReconciliationSettings;
pub(crate) use risk::RiskSettings;
pub(crate) use saga::SagaSettings;
pub(crate) use vault::VaultSettings;
pub(crate) use webhooks::WebhookSettings;

use std::path::PathBuf;

use client::ClientSettings;
use identity::VerifierSettings;
use leases::LeaseSettings;
use nats::NatsSettings;
use outbox::OutboxSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sql::{PostgresSettings, SqliteSettings, UrlError};
use streams::{ConsumerSettings, StreamSettings};

use crate::operations::Rules;
use crate::store::ledger::BATCH_MAX;

/// How far back consumers of payment events can reach: a week.
const EVENTS_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// What an operator may tune about payment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the ledger and the payments are kept: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`.
    pub database_url: String,
    /// Where events of payments go: `sqlite:PATH` or `nats://HOST:PORT?prefix=NAME` (JetStream).
    pub streams_url: String,
    /// Where worker ids are leased: `sqlite:PATH` or `nats://HOST:PORT?prefix=NAME`.
    pub leases_url: String,
    /// The address that people and processors reach the service by, `http://host[:port]`.
    pub public_url: String,
    /// Rows on a page of a list when the request names no number.
    pub list_limit_default: u32,
    /// Most rows on a page of a list.
    pub list_limit_max: u32,
    /// How long an answer is kept for repeats of its `Idempotency-Key`, in milliseconds; at least 24 hours.
    pub idempotency_keep_ms: u64,
    /// How often expired idempotency records are looked for, in milliseconds.
    pub garbage_interval_ms: u64,
    /// How large what is written into the books may be.
    pub books: BookSettings,
    /// How commands are folded into commits.
    pub commits: CommitSettings,
    /// What may be paid, and how much of it.
    pub limits: LimitSettings,
    /// Holds and their end.
    pub holds: HoldSettings,
    /// How payments are carried through.
    pub saga: SagaSettings,
    /// What passes the risk check.
    pub risk: RiskSettings,
    /// The payment processor.
    pub processor: ProcessorSettings,
    /// Webhooks to merchants.
    pub webhooks: WebhookSettings,
    /// Payers' details, encrypted.
    pub vault: VaultSettings,
    /// Settlements held against the ledger.
    pub reconciliation: ReconciliationSettings,
    /// The books, held against their chain while they are written.
    pub audit: AuditSettings,
    /// How events leave the database.
    pub outbox: OutboxSettings,
    /// How what the ledger committed gets into its stream.
    pub feed: FeedSettings,
    /// The stream of payment events.
    pub streams: StreamSettings,
    /// The consumers of payment events.
    pub consumer: ConsumerSettings,
    /// The lease on the worker number that ids carry.
    pub lease: LeaseSettings,
    /// The SQLite files.
    pub sqlite: SqliteSettings,
    /// Connections to PostgreSQL.
    pub postgres: PostgresSettings,
    /// Connections to NATS.
    pub nats: NatsSettings,
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
            database_url: "sqlite:.orrery/payment.db".to_owned(),
            streams_url: "sqlite:.orrery/streams.db".to_owned(),
            leases_url: "sqlite:.orrery/leases.db".to_owned(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            list_limit_default: 50,
            list_limit_max: 200,
            idempotency_keep_ms: idempotency::RECORD_TTL_MS_MIN,
            garbage_interval_ms: 60_000,
            books: BookSettings::default(),
            commits: CommitSettings::default(),
            limits: LimitSettings::default(),
            holds: HoldSettings::default(),
            saga: SagaSettings::default(),
            risk: RiskSettings::default(),
            processor: ProcessorSettings::default(),
            webhooks: WebhookSettings::default(),
            vault: VaultSettings::default(),
            reconciliation: ReconciliationSettings::default(),
            audit: AuditSettings::default(),
            outbox: OutboxSettings::default(),
            feed: FeedSettings::default(),
            streams: StreamSettings {
                retention_ms: EVENTS_KEPT_MS,
                ..StreamSettings::default()
            },
            consumer: ConsumerSettings::default(),
            lease: LeaseSettings::default(),
            sqlite: SqliteSettings::default(),
            postgres: PostgresSettings::default(),
            nats: NatsSettings::default(),
            tokens: VerifierSettings::default(),
            jwks_url: "http://127.0.0.1:8092/.well-known/jwks.json".to_owned(),
            client: ClientSettings::default(),
        }
    }
}

/// A setting that cannot be used; names the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payment.{setting}: {rule}, but it is {found:?}")]
pub struct SettingError {
    /// The setting inside `[payment]`.
    pub setting: &'static str,
    /// What it must be.
    pub rule: &'static str,
    /// What it is.
    pub found: String,
}

impl SettingError {
    /// Names it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and texts are handed in as they are"
    )]
    pub(crate) fn new(setting: &'static str, rule: &'static str, found: impl ToString) -> Self {
        Self {
            setting,
            rule,
            found: found.to_string(),
        }
    }

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
    /// The rules of the books, checked.
    pub(crate) fn rules(&self) -> Result<Rules, SettingError> {
        let between = |setting, rule, found: u64, range: std::ops::RangeInclusive<u64>| {
            if range.contains(&found) {
                Ok(())
            } else {
                Err(SettingError::new(setting, rule, found))
            }
        };
        between(
            "idempotency_keep_ms",
            "must be at least 86400000 (24 hours)",
            self.idempotency_keep_ms,
            idempotency::RECORD_TTL_MS_MIN..=u64::MAX >> 1,
        )?;
        between(
            "list_limit_max",
            "must be between 1 and 1000",
            self.list_limit_max.into(),
            1..=1_000,
        )?;
        between(
            "books.batch_transfers_max",
            "must be between 1 and 8190",
            self.books.batch_transfers_max as u64,
            1..=BATCH_MAX as u64,
        )?;
        self.commits.check()?;
        self.holds.check()?;
        self.saga.check(&self.processor, &self.commits)?;
        self.audit.check()?;
        if self.lease.lease_ms / 3 < self.lease.check_interval_ms.max(1) {
            return Err(SettingError::new(
                "lease.lease_ms",
                "must be at least three times lease.check_interval_ms",
                self.lease.lease_ms,
            ));
        }
        Ok(Rules {
            list_limit_default: self.list_limit_default.clamp(1, self.list_limit_max),
            list_limit_max: self.list_limit_max,
            record_ttl_ms: self.idempotency_keep_ms,
            currencies: self.limits.currencies()?,
            transfer_minor_max: self.limits.transfer_minor_max,
            books: self.books.clone(),
            hold_default_s: self.holds.expires_s_default,
            hold_max_s: self.holds.expires_s_max,
        })
    }
}

/// The path in a `sqlite:PATH` URL; what is wrong with it names the setting. Only the scheme is shown: the rest may hold a password.
pub(crate) fn sqlite_path(setting: &'static str, url: &str) -> Result<PathBuf, SettingError> {
    sql::sqlite_path(url).map_err(|error| match error {
        UrlError::NoFile => SettingError::new(setting, "must name a file, sqlite:PATH", "sqlite"),
        UrlError::OtherEngine(_) => {
            let found = url.split(':').next().unwrap_or_default();
            SettingError::new(setting, "must be sqlite:PATH", found)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_describe_themselves() {
        assert_eq!(config::Catalog::of::<Settings>().check().err(), None);
    }

    #[test]
    fn numbers_with_which_the_books_could_not_be_kept_are_refused_by_name() {
        let refused = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.rules().unwrap_err().setting
        };
        assert!(Settings::default().rules().is_ok());
        assert_eq!(refused(&|s| s.idempotency_keep_ms = 1), "idempotency_keep_ms");
        assert_eq!(refused(&|s| s.list_limit_max = 0), "list_limit_max");
        assert_eq!(
            refused(&|s| s.books.batch_transfers_max = 8_191),
            "books.batch_transfers_max"
        );
        assert_eq!(refused(&|s| s.commits.batch_max = 0), "commits.batch_max");
        assert_eq!(refused(&|s| s.commits.lanes = 9), "commits.lanes");
        assert_eq!(refused(&|s| s.saga.lease_ms = 8_000), "saga.lease_ms");
        assert_eq!(refused(&|s| s.processor.timeout_ms = 10_000), "saga.lease_ms");
        assert_eq!(refused(&|s| s.commits.deadline_ms = 9_500), "saga.lease_ms");
        assert_eq!(refused(&|s| s.processor.timeout_ms = 0), "processor.timeout_ms");
        assert_eq!(refused(&|s| s.saga.settle_ms = 1_999), "saga.settle_ms");
        assert_eq!(refused(&|s| s.saga.hold_s = 15 * 60), "saga.hold_s");
        assert_eq!(
            refused(&|s| s.saga.deadline_ms = 24 * 60 * 60 * 1_000),
            "saga.hold_s"
        );
        assert_eq!(refused(&|s| s.saga.at_once_max = 0), "saga.at_once_max");
        assert_eq!(
            refused(&|s| s.saga.retry_pause_ms_max = 199),
            "saga.retry_pause_ms_max"
        );
        assert_eq!(refused(&|s| s.audit.links_max = 0), "audit.links_max");
        assert_eq!(refused(&|s| s.audit.tenants_max = 10_001), "audit.tenants_max");
        assert_eq!(refused(&|s| s.holds.expires_s_max = 0), "holds.expires_s_max");
        assert_eq!(
            refused(&|s| s.saga.lease_ms = s.processor.timeout_ms),
            "saga.lease_ms"
        );
        assert_eq!(
            refused(&|s| s.limits.currencies = vec!["EURO".to_owned()]),
            "limits.currencies"
        );
    }
}
