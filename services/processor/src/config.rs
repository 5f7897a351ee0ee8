//! The processor's settings, and what they come to once checked.

use client::ClientSettings;
use config::Secret;
use idempotency::IdempotencySettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sql::DatabaseUrl;

use crate::error::ProcessorError;

/// The settings of the processor (`[processor]`). What is `None` the binary fills in from the port base and the data folder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where charges are kept: `sqlite:PATH`, by default `processor.db` in the data folder, or
    /// `postgres://user:password@host:port/database?schema=NAME`.
    pub database_url: Option<String>,
    /// Who is told of charges, `http://host:port/path`. Unset, nobody is.
    pub webhook_url: Option<String>,
    /// What callers prove themselves with, 32 to 256 visible ASCII characters; unset, it is read from `api_secret_file`.
    pub api_secret: Secret,
    /// The file of that secret, made at first need.
    pub api_secret_file: String,
    /// What webhooks are signed with, `whsec_` and base64, up to 8 separated by spaces while they are rotated; unset, it is read from
    /// `webhook_secret_file`.
    pub webhook_secret: Secret,
    /// The file of that secret, made at first need.
    pub webhook_secret_file: String,
    /// Whether faults can be switched on (`/v1/processor/faults`). Never where anybody's money is meant.
    pub fault_controls: bool,
    /// The largest amount of a charge, in minor units.
    pub amount_max: u64,
    /// The most charges of a lookup, refunds of a charge and days of a list of settlements.
    pub list_max: u32,
    /// How long an `Idempotency-Key` is remembered, in hours: 24 or more.
    pub keys_kept_hours: u32,
    /// How long a charge is kept after it last changed, in days.
    pub charges_kept_days: u32,
    /// How long after the end of a day (UTC) its settlement is published, so that what was under way is in it.
    pub settlement_delay_ms: u64,
    /// Whether the day that is not over has a settlement too, which grows: for experiments that cannot wait for midnight.
    pub settlement_of_today: bool,
    /// How often what is past its time is deleted.
    pub housekeeping_interval_ms: u64,
    /// How copies of a request in flight are treated.
    pub idempotency: IdempotencySettings,
    /// How webhooks are delivered.
    pub webhooks: WebhookSettings,
    /// Limits of the connections that webhooks go out by.
    pub client: ClientSettings,
    /// Limits of the database file.
    pub sqlite: sql::SqliteSettings,
    /// Limits of the PostgreSQL connections.
    pub postgres: sql::PostgresSettings,
}

/// How webhooks are delivered: until they are answered with 2xx.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// How often it is looked for webhooks that are due; one that was just made goes out at once.
    pub poll_ms: u64,
    /// How long a delivery may take.
    pub timeout_ms: u64,
    /// The most deliveries at once.
    pub at_once_max: u32,
    /// The pause before the second attempt; it doubles with each.
    pub backoff_ms_min: u64,
    /// The longest pause between two attempts.
    pub backoff_ms_max: u64,
    /// After so many days nobody is told any more.
    pub given_up_days: u32,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            poll_ms: 250,
            timeout_ms: 5_000,
            at_once_max: 16,
            backoff_ms_min: 1_000,
            backoff_ms_max: 600_000,
            given_up_days: 30,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database_url: None,
            webhook_url: None,
            api_secret: Secret::default(),
            api_secret_file: ".orrery/processor.key".to_owned(),
            webhook_secret: Secret::default(),
            webhook_secret_file: ".orrery/processor-webhooks.key".to_owned(),
            fault_controls: false,
            amount_max: 999_999_999_999,
            list_max: 100,
            keys_kept_hours: 168,
            charges_kept_days: 400,
            settlement_delay_ms: 60_000,
            settlement_of_today: false,
            housekeeping_interval_ms: 60_000,
            idempotency: IdempotencySettings::default(),
            webhooks: WebhookSettings::default(),
            client: ClientSettings::default(),
            sqlite: sql::SqliteSettings::default(),
            postgres: sql::PostgresSettings::default(),
        }
    }
}

/// An hour, in milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// The longest list that may be set.
const LIST_MAX: u32 = 1_000;

/// What the operations work by: the settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) webhook_url: Option<http::Uri>,
    pub(crate) fault_controls: bool,
    pub(crate) amount_max: u64,
    pub(crate) list_max: u32,
    pub(crate) keys_kept_ms: u64,
    pub(crate) charges_kept_ms: u64,
    pub(crate) given_up_ms: u64,
    pub(crate) settlement_delay_ms: u64,
    pub(crate) settlement_of_today: bool,
    pub(crate) webhooks: WebhookSettings,
}

fn wrong(setting: &'static str, detail: impl Into<String>) -> ProcessorError {
    ProcessorError::Setting {
        setting,
        detail: detail.into(),
    }
}

impl Settings {
    /// The engine behind `database_url`.
    pub(crate) fn database(&self) -> Result<DatabaseUrl, ProcessorError> {
        let url = self
            .database_url
            .as_deref()
            .ok_or_else(|| wrong("database_url", "is not set"))?;
        DatabaseUrl::parse(url).map_err(|error| wrong("database_url", error.to_string()))
    }

    /// Checks everything else that needs no file.
    pub(crate) fn rules(&self) -> Result<Rules, ProcessorError> {
        let webhook_url = self.webhook_url.as_deref().map(webhook_url).transpose()?;
        if self.amount_max == 0 || sql::int(self.amount_max).is_err() {
            return Err(wrong("amount_max", "must be 1 to 9223372036854775807"));
        }
        if !(1..=LIST_MAX).contains(&self.list_max) {
            return Err(wrong("list_max", "must be 1 to 1000"));
        }
        if self.keys_kept_hours < 24 {
            return Err(wrong(
                "keys_kept_hours",
                "must be 24 or more: clients may ask again for a day",
            ));
        }
        let kept_ms = u64::from(self.charges_kept_days) * 24 * HOUR_MS;
        let keys_kept_ms = u64::from(self.keys_kept_hours) * HOUR_MS;
        if kept_ms <= keys_kept_ms {
            return Err(wrong("charges_kept_days", "must be longer than keys_kept_hours"));
        }
        if self.webhooks.at_once_max == 0 || self.webhooks.timeout_ms == 0 || self.webhooks.poll_ms == 0 {
            return Err(wrong(
                "webhooks",
                "at_once_max, timeout_ms and poll_ms must be above 0",
            ));
        }
        Ok(Rules {
            webhook_url,
            fault_controls: self.fault_controls,
            amount_max: self.amount_max,
            list_max: self.list_max,
            keys_kept_ms,
            charges_kept_ms: kept_ms,
            given_up_ms: u64::from(self.webhooks.given_up_days) * 24 * HOUR_MS,
            settlement_delay_ms: self.settlement_delay_ms,
            settlement_of_today: self.settlement_of_today,
            webhooks: self.webhooks,
        })
    }
}

fn webhook_url(text: &str) -> Result<http::Uri, ProcessorError> {
    let uri: Option<http::Uri> = text.parse().ok();
    uri.filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some())
        .ok_or_else(|| wrong("webhook_url", "must be http://host:port/path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.rules().unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        Settings::default().rules().unwrap();
        for bad in ["https://a/", "/path", "x y", ""] {
            assert!(refused(|s| s.webhook_url = Some(bad.into())).starts_with("processor.webhook_url"));
        }
        assert!(refused(|s| s.amount_max = 0).contains("amount_max"));
        assert!(refused(|s| s.amount_max = u64::MAX).contains("amount_max"));
        assert!(refused(|s| s.list_max = 0).contains("list_max"));
        assert!(refused(|s| s.keys_kept_hours = 23).contains("keys_kept_hours"));
        assert!(refused(|s| s.charges_kept_days = 1).contains("charges_kept_days"));
        assert!(refused(|s| s.webhooks.at_once_max = 0).contains("webhooks"));
    }
}
