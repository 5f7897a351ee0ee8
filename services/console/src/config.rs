//! The console's settings. The defaults are those of port base 8080; the binary puts its own addresses in.

use std::net::SocketAddr;
use std::time::Duration;

use client::ClientSettings;
use http::Uri;
use identity::VerifierSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::console::{BYTES_MIN, Limits};

/// The settings of the console (`[console]`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether `orrery up` runs the console, and sends the traces of all roles there where `telemetry.otlp_endpoint` names nobody else.
    pub enabled: bool,
    /// Where OTLP over gRPC is taken, as `IP:PORT`; empty for nowhere. OTLP over HTTP is taken on the API port.
    pub grpc_address: String,
    /// Bytes that traces, charts and the map may take together; the oldest traces give way. At least 8388608.
    pub memory_bytes_max: usize,
    /// Spans of one trace; further ones are refused.
    pub spans_max: usize,
    /// The largest OTLP request, in bytes as it is sent; a larger one is answered 413.
    pub body_bytes_max: usize,
    /// A request that took longer is a slow one: its trace stays longer than others, in milliseconds.
    pub slow_ms: u64,
    /// What is scraped, each as `JOB=http://host:port/metrics`. The job is a service's name, as in `gateway`.
    pub targets: Vec<String>,
    /// How often each target is scraped, in milliseconds.
    pub scrape_interval_ms: u64,
    /// Every window of every objective is divided by this: 60 makes an hour a minute. Only for tests and drills.
    pub slo_scale: u32,
    /// Pages that are kept up to date.
    pub live: LiveSettings,
    /// Where the keys that tokens are verified with are fetched.
    pub jwks_url: String,
    /// What a token must be.
    pub tokens: VerifierSettings,
    /// Scrapes, and the fetch of the issuer's keys.
    pub client: ClientSettings,
}

/// Pages of the console that are kept up to date.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// How often a page that is open is looked at again, in milliseconds; at least 100.
    pub every_ms: u64,
    /// Pages kept up to date at once; further ones are up to date when they are opened.
    pub streams_max: usize,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            every_ms: 1_000,
            streams_max: 64,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            enabled: true,
            grpc_address: String::new(),
            memory_bytes_max: limits.bytes_max,
            spans_max: limits.spans_max,
            body_bytes_max: 4 * 1024 * 1024,
            slow_ms: 500,
            targets: Vec::new(),
            scrape_interval_ms: 5_000,
            slo_scale: limits.slo_scale,
            live: LiveSettings::default(),
            jwks_url: "http://127.0.0.1:8092/.well-known/jwks.json".to_owned(),
            tokens: VerifierSettings::default(),
            client: ClientSettings::default(),
        }
    }
}

/// A setting that cannot be used. The text names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("console.{setting}: {detail}")]
pub struct SettingError {
    /// Inside `[console]`: `targets`.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub detail: String,
}

fn wrong(setting: &'static str, detail: impl Into<String>) -> SettingError {
    SettingError {
        setting,
        detail: detail.into(),
    }
}

/// What is scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) job: String,
    pub(crate) url: Uri,
}

impl Target {
    /// As Prometheus would call it: host and port.
    pub(crate) fn instance(&self) -> &str {
        self.url.authority().map_or("", |authority| authority.as_str())
    }
}

/// Targets that one console scrapes.
const TARGETS_MAX: usize = 256;

impl Settings {
    pub(crate) fn limits(&self) -> Result<Limits, SettingError> {
        if self.memory_bytes_max < BYTES_MIN {
            return Err(wrong("memory_bytes_max", format!("must be at least {BYTES_MIN}")));
        }
        if self.spans_max == 0 {
            return Err(wrong("spans_max", "must be at least 1"));
        }
        if self.slo_scale == 0 {
            return Err(wrong("slo_scale", "must be at least 1"));
        }
        Ok(Limits {
            bytes_max: self.memory_bytes_max,
            spans_max: self.spans_max,
            slow: Duration::from_millis(self.slow_ms),
            slo_scale: self.slo_scale,
        })
    }

    pub(crate) fn scraped(&self) -> Result<Vec<Target>, SettingError> {
        if self.scrape_interval_ms == 0 {
            return Err(wrong("scrape_interval_ms", "must be at least 1"));
        }
        if self.targets.len() > TARGETS_MAX {
            return Err(wrong("targets", format!("at most {TARGETS_MAX} can be scraped")));
        }
        self.targets.iter().map(|text| target(text)).collect()
    }

    pub(crate) fn grpc(&self) -> Result<Option<SocketAddr>, SettingError> {
        if self.grpc_address.is_empty() {
            return Ok(None);
        }
        let address = self.grpc_address.parse();
        address
            .map(Some)
            .map_err(|_| wrong("grpc_address", format!("`{}` is not IP:PORT", self.grpc_address)))
    }
}

fn target(text: &str) -> Result<Target, SettingError> {
    let refused = || wrong("targets", format!("`{text}` is not JOB=http://host:port/metrics"));
    let (job, url) = text.split_once('=').ok_or_else(refused)?;
    let url: Uri = url.parse().map_err(|_| refused())?;
    if job.is_empty() || url.scheme_str() != Some("http") || url.authority().is_none() {
        return Err(refused());
    }
    Ok(Target {
        job: job.to_owned(),
        url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_a_sound_catalogue_and_the_defaults_can_be_used() {
        config::Catalog::of::<Settings>()
            .check()
            .expect("documented, settable, unambiguous");
        let settings = Settings::default();
        assert!(settings.limits().is_ok() && settings.grpc() == Ok(None));
    }

    #[test]
    fn a_target_is_a_job_and_where_it_shows_its_metrics() {
        let read = target("gateway=http://127.0.0.1:8091/metrics").unwrap();
        assert_eq!(
            (read.job.as_str(), read.instance()),
            ("gateway", "127.0.0.1:8091")
        );
        for bad in [
            "",
            "gateway",
            "=http://a/metrics",
            "x=/metrics",
            "x=https://a/metrics",
            "x=a b",
        ] {
            let error = target(bad).unwrap_err().to_string();
            assert!(error.starts_with("console.targets: "), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_kept_in_is_refused_by_name() {
        let settings = Settings {
            memory_bytes_max: 1,
            grpc_address: "here".into(),
            ..Settings::default()
        };
        assert_eq!(settings.limits().unwrap_err().setting, "memory_bytes_max");
        assert_eq!(settings.grpc().unwrap_err().setting, "grpc_address");
    }
}
