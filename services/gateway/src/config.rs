//! The gateway's settings. The defaults are those of port base 8080; the binary puts its own addresses in.

use client::ClientSettings;
use identity::VerifierSettings;
use limits::{LimitSettings, OnLoss};
use redis_engine::RedisSettings;
use resilience::{BudgetSettings, RetryPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::routes::Upstream;

/// The settings of the gateway (`[gateway]`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The URL that clients reach the gateway by, `http://host[:port]`; its port names the session cookie.
    pub public_url: String,
    /// Where each role's API listens.
    pub upstreams: Upstreams,
    /// Where each role's admin port listens; only the start page asks there, and nothing is routed to it.
    pub admin: AdminPorts,
    /// How a person gets a token where this runs; the start page shows it.
    pub token_command: String,
    /// The largest request body that is passed on, in bytes; it stands in for `server.body_bytes_max`, which this role does not
    /// look at. Nothing is gathered here; each role has its own, lower limit.
    pub body_bytes_max: usize,
    /// How fast each tenant may go.
    pub rate_limit: LimitSettings,
    /// Where the tenants' buckets are: `memory:` (each gateway counts for itself) or `redis://[:password@]host:port/DB?prefix=NAME`
    /// (all gateways count together). A password is better given by the environment than in a file.
    pub rate_limit_url: String,
    /// What happens to a tenant's requests while Redis cannot be asked: `local` lets each gateway count for itself, so that a tenant
    /// may go as fast at each of them; `refuse` answers 503.
    pub rate_limit_on_loss: OnLoss,
    /// The connection to Redis, where `rate_limit_url` names one.
    pub redis: RedisSettings,
    /// How a GET or HEAD that could not connect is tried again; `attempts_max = 1` turns that off.
    pub retry: RetryPolicy,
    /// How many such retries there may be in all.
    pub retry_budget: BudgetSettings,
    /// How long the start page waits for each role to say whether it is ready, in milliseconds.
    pub start_page_probe_ms: u64,
    /// How long a person has to sign in before they must begin again, in milliseconds.
    pub sign_in_ms: u64,
    /// How many tenants are told apart in metrics; the rest are `other`.
    pub tenant_labels_max: usize,
    /// What a token must be.
    pub tokens: VerifierSettings,
    /// Calls to other roles.
    pub client: ClientSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".to_owned(),
            upstreams: Upstreams::default(),
            admin: AdminPorts::default(),
            token_command: "orrery token --tenant acme --user ada".to_owned(),
            body_bytes_max: 16 * 1024 * 1024,
            rate_limit: LimitSettings::default(),
            rate_limit_url: "memory:".to_owned(),
            rate_limit_on_loss: OnLoss::default(),
            redis: RedisSettings::default(),
            retry: RetryPolicy::default(),
            retry_budget: BudgetSettings::default(),
            start_page_probe_ms: 300,
            sign_in_ms: 600_000,
            tenant_labels_max: 100,
            tokens: VerifierSettings::default(),
            client: ClientSettings::default(),
        }
    }
}

/// The API of each role behind the gateway, as `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Upstreams {
    /// The issuer.
    pub issuer: String,
    /// The shortener.
    pub shortener: String,
    /// The payment service.
    pub payment: String,
    /// The console. It may be away: nothing but its own pages needs it.
    pub console: String,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8092".to_owned(),
            shortener: "http://127.0.0.1:8094".to_owned(),
            payment: "http://127.0.0.1:8100".to_owned(),
            console: "http://127.0.0.1:8104".to_owned(),
        }
    }
}

/// The admin port of each role, as `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminPorts {
    /// The issuer's.
    pub issuer: String,
    /// The shortener's.
    pub shortener: String,
    /// The payment service's.
    pub payment: String,
    /// The processor's, to which nothing is routed; empty where the processor is not ours.
    pub processor: String,
    /// The console's.
    pub console: String,
}

impl Default for AdminPorts {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8093".to_owned(),
            shortener: "http://127.0.0.1:8095".to_owned(),
            payment: "http://127.0.0.1:8101".to_owned(),
            processor: "http://127.0.0.1:8103".to_owned(),
            console: "http://127.0.0.1:8105".to_owned(),
        }
    }
}

impl AdminPorts {
    /// The processor's, checked; `None` where there is none of ours.
    pub(crate) fn processor(&self) -> Result<Option<Origin>, SettingError> {
        match self.processor.as_str() {
            "" => Ok(None),
            address => Origin::parse("admin.processor", address).map(Some),
        }
    }
}

/// A checked origin for each upstream.
#[derive(Debug, Clone)]
pub(crate) struct PerUpstream {
    issuer: Origin,
    shortener: Origin,
    payment: Origin,
    console: Origin,
}

impl PerUpstream {
    pub(crate) fn apis(settings: &Upstreams) -> Result<Self, SettingError> {
        Ok(Self {
            issuer: Origin::parse("upstreams.issuer", &settings.issuer)?,
            shortener: Origin::parse("upstreams.shortener", &settings.shortener)?,
            payment: Origin::parse("upstreams.payment", &settings.payment)?,
            console: Origin::parse("upstreams.console", &settings.console)?,
        })
    }

    pub(crate) fn admins(settings: &AdminPorts) -> Result<Self, SettingError> {
        Ok(Self {
            issuer: Origin::parse("admin.issuer", &settings.issuer)?,
            shortener: Origin::parse("admin.shortener", &settings.shortener)?,
            payment: Origin::parse("admin.payment", &settings.payment)?,
            console: Origin::parse("admin.console", &settings.console)?,
        })
    }

    pub(crate) fn of(&self, upstream: Upstream) -> &Origin {
        match upstream {
            Upstream::Issuer => &self.issuer,
            Upstream::Shortener => &self.shortener,
            Upstream::Payment => &self.payment,
            Upstream::Console => &self.console,
        }
    }
}

/// A setting that cannot be used. The text names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gateway.{setting}: {detail}")]
pub struct SettingError {
    /// Inside `[gateway]`: `upstreams.issuer`.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub detail: String,
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

/// A checked `http://host:port`, ready to be put before a path.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) scheme: http::uri::Scheme,
    pub(crate) authority: http::uri::Authority,
}

impl Origin {
    pub(crate) fn parse(setting: &'static str, text: &str) -> Result<Self, SettingError> {
        let wrong = |detail: String| SettingError { setting, detail };
        let url = Url::parse(text).map_err(|error| wrong(format!("`{text}` is not a URL: {error}")))?;
        let scheme = match url.scheme() {
            "http" => http::uri::Scheme::HTTP,
            // Only the public URL may be https: something in front of us then speaks TLS.
            "https" if setting == "public_url" => http::uri::Scheme::HTTPS,
            other => {
                return Err(wrong(format!(
                    "`{other}` cannot be used here, use http://host:port"
                )));
            }
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must be http://host:port and nothing more".to_owned()));
        }
        let authority = url
            .authority()
            .parse()
            .map_err(|_| wrong(format!("`{text}` has no usable host")))?;
        Ok(Self { scheme, authority })
    }

    /// `http://host:port`, without a slash at the end.
    pub(crate) fn text(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// This place at that path, e.g. `/readyz`.
    pub(crate) fn at(&self, path: &'static str) -> http::Uri {
        self.with(http::uri::PathAndQuery::from_static(path))
    }

    pub(crate) fn with(&self, path: http::uri::PathAndQuery) -> http::Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        http::Uri::from_parts(parts).expect("scheme, authority and path make a URI")
    }

    /// The port, written or implied.
    pub(crate) fn port(&self) -> u16 {
        let implied = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(implied)
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == http::uri::Scheme::HTTPS
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, Settings};

    #[test]
    fn the_settings_are_a_sound_catalogue() {
        config::Catalog::of::<Settings>()
            .check()
            .expect("documented, settable, unambiguous");
    }

    #[test]
    fn an_address_is_only_scheme_host_and_port() {
        let text = |text| Origin::parse("upstreams.issuer", text).map(|origin| origin.text());
        assert_eq!(
            text("http://127.0.0.1:8092/"),
            Ok("http://127.0.0.1:8092".to_owned())
        );
        assert_eq!(text("http://[::1]:8092"), Ok("http://[::1]:8092".to_owned()));
        for bad in [
            "http://h/path",
            "http://h?q",
            "http://u:p@h",
            "https://h",
            "h:80",
            "",
            "ftp://h",
        ] {
            let error = text(bad).expect_err(bad).to_string();
            assert!(error.starts_with("gateway.upstreams.issuer: "), "{error}");
            assert!(!error.contains("u:p"), "a password is not repeated: {error}");
        }
        assert_eq!(
            Origin::parse("public_url", "https://go.example").map(|origin| origin.port()),
            Ok(443)
        );
    }
}
