//! The issuer's settings, and what they come to once checked.

use config::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sql::DatabaseUrl;
use url::{Host, Url};

use crate::error::IssuerError;

/// The settings of the issuer (`[issuer]`). What is `None` the binary fills in from the port base and the data folder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where keys, codes and clients are kept: `sqlite:PATH`, by default `issuer.db` in the data folder, or
    /// `postgres://user:password@host:port/database?schema=NAME`.
    pub database_url: Option<String>,
    /// The URL that clients reach the issuer by, which is the `iss` of its tokens: `http://host:port`, or `https` where something
    /// in front speaks TLS. By default the gateway's, made from the port base. People sign in only where it is loopback.
    pub public_url: Option<String>,
    /// Whom access tokens are for: their `aud`.
    pub audience: String,
    /// Where a sign-in may end, compared character by character; loopback only. Empty: the gateway's callback below `public_url`.
    pub redirect_uris: Vec<String>,
    /// How long a token lives, in seconds: 1 to 900.
    pub token_lifetime_s: u64,
    /// How long a key signs before the next one does, in hours.
    pub key_rotation_hours: u64,
    /// How long a key is published before it signs, in seconds; longer than verifiers keep a key set.
    pub key_notice_s: u64,
    /// How long a client has to exchange an authorization code.
    pub code_lifetime_ms: u64,
    /// The most authorization codes that may wait to be exchanged; more sign-ins are refused.
    pub codes_max: u32,
    /// How long a person may look at the sign-in page before they must begin again.
    pub sign_in_form_ms: u64,
    /// How often keys are rotated if due, and expired codes and retired keys deleted.
    pub housekeeping_interval_ms: u64,
    /// What API keys are hashed with, 64 hexadecimal digits; unset, it is read from `api_key_secret_file`. Every process of an
    /// issuer needs the same, and with another one no API key is known again.
    pub api_key_secret: Secret,
    /// The file of the secret that API keys are hashed with, made at first start.
    pub api_key_secret_file: String,
    /// How many tenants, clients and API keys there may be.
    pub clients: ClientLimits,
    /// Limits of the database file.
    pub sqlite: sql::SqliteSettings,
    /// Limits of the PostgreSQL connections.
    pub postgres: sql::PostgresSettings,
}

/// How much an operator may make, and how long what is dead stays visible.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientLimits {
    /// The most tenants with machine clients.
    pub tenants_max: u32,
    /// The most clients of a tenant.
    pub clients_max: u32,
    /// The most API keys of a client that are neither revoked nor expired.
    pub api_keys_max: u32,
    /// How long a revoked or expired key stays in the list, in days.
    pub dead_keys_kept_days: u32,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            tenants_max: 10_000,
            clients_max: 1_000,
            api_keys_max: 32,
            dead_keys_kept_days: 90,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database_url: None,
            public_url: None,
            audience: "orrery".to_owned(),
            redirect_uris: Vec::new(),
            token_lifetime_s: 900,
            key_rotation_hours: 24,
            key_notice_s: 120,
            code_lifetime_ms: 60_000,
            codes_max: 10_000,
            sign_in_form_ms: 600_000,
            housekeeping_interval_ms: 10_000,
            api_key_secret: Secret::default(),
            api_key_secret_file: ".orrery/issuer.key".to_owned(),
            clients: ClientLimits::default(),
            sqlite: sql::SqliteSettings::default(),
            postgres: sql::PostgresSettings::default(),
        }
    }
}

/// The issuer's URL when nothing says otherwise: that of the default port base.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// What the operations work by: the settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) redirect_uris: Vec<String>,
    /// Whether there is a sign-in page: anybody may be anybody on it, so only where nobody else can come.
    pub(crate) people_may_sign_in: bool,
    pub(crate) token_lifetime_s: u64,
    pub(crate) key_rotation_ms: u64,
    pub(crate) key_notice_ms: u64,
    pub(crate) code_lifetime_ms: u64,
    pub(crate) codes_max: u32,
    pub(crate) form_lifetime_ms: u64,
    pub(crate) dead_keys_kept_ms: u64,
}

fn wrong(setting: &'static str, detail: impl Into<String>) -> IssuerError {
    IssuerError::Setting {
        setting,
        detail: detail.into(),
    }
}

impl Settings {
    /// The engine behind `database_url`.
    pub(crate) fn database(&self) -> Result<DatabaseUrl, IssuerError> {
        let url = self
            .database_url
            .as_deref()
            .ok_or_else(|| wrong("database_url", "is not set"))?;
        DatabaseUrl::parse(url).map_err(|error| wrong("database_url", error.to_string()))
    }

    /// Checks everything else.
    pub(crate) fn rules(&self) -> Result<Rules, IssuerError> {
        let public = self.public_url.as_deref().unwrap_or(DEFAULT_URL);
        let url = origin_url(public).map_err(|detail| wrong("public_url", detail))?;
        let (issuer, local) = (url.origin().ascii_serialization(), is_loopback(&url));
        if !(1..=identity::TOKEN_LIFETIME_S_MAX).contains(&self.token_lifetime_s) {
            return Err(wrong("token_lifetime_s", "must be 1 to 900"));
        }
        if self.key_rotation_hours == 0 || self.key_rotation_hours > 24 * 366 {
            return Err(wrong("key_rotation_hours", "must be 1 to 8784"));
        }
        let (key_rotation_ms, key_notice_ms) = (
            self.key_rotation_hours * 3_600_000,
            self.key_notice_s.saturating_mul(1_000),
        );
        if key_notice_ms >= key_rotation_ms {
            return Err(wrong("key_notice_s", "must be shorter than key_rotation_hours"));
        }
        let mut redirect_uris = self.redirect_uris.clone();
        if redirect_uris.is_empty() && local {
            redirect_uris.push(format!("{issuer}/ui/callback"));
        }
        for uri in &redirect_uris {
            loopback_url(uri).map_err(|detail| wrong("redirect_uris", detail))?;
        }
        Ok(Rules {
            issuer,
            audience: self.audience.clone(),
            redirect_uris,
            people_may_sign_in: local,
            token_lifetime_s: self.token_lifetime_s,
            key_rotation_ms,
            key_notice_ms,
            code_lifetime_ms: self.code_lifetime_ms,
            codes_max: self.codes_max,
            form_lifetime_ms: self.sign_in_form_ms,
            dead_keys_kept_ms: u64::from(self.clients.dead_keys_kept_days) * 24 * 3_600_000,
        })
    }
}

/// Whoever reaches the sign-in page may be anybody they like, so nothing of it leaves this machine.
fn loopback_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if url.scheme() != "http" || !is_loopback(&url) || !url.username().is_empty() || url.fragment().is_some()
    {
        return Err(format!(
            "`{text}` must be http on a loopback address: anybody may sign in as anybody here"
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Tokens carry it as `iss`, so it has nothing that two programs could spell differently. On this machine nothing speaks TLS.
fn origin_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    let spoken = match url.scheme() {
        "http" => true,
        "https" => !is_loopback(&url),
        _ => false,
    };
    let reachable = match url.host() {
        Some(Host::Ipv4(ip)) => !ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => !ip.is_unspecified(),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    if !(spoken && reachable && bare && nobody) {
        return Err(format!(
            "`{text}` must be only http://host:port, or https:// where something in front of the gateway speaks TLS"
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Settings)) -> Result<Rules, String> {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.rules().map_err(|error| error.to_string())
    }

    #[test]
    fn the_callback_of_the_gateway_is_the_default_end_of_a_sign_in() {
        let rules = with(|s| s.public_url = Some("http://127.0.0.1:9000/".into())).unwrap();
        assert_eq!(rules.issuer, "http://127.0.0.1:9000");
        assert_eq!(rules.redirect_uris, ["http://127.0.0.1:9000/ui/callback"]);
    }

    #[test]
    fn people_sign_in_under_a_loopback_address_and_nowhere_else() {
        for elsewhere in [
            "http://example.com",
            "https://example.com:8443",
            "http://10.0.0.1",
        ] {
            let rules = with(|s| s.public_url = Some(elsewhere.into())).unwrap();
            assert!(!rules.people_may_sign_in, "{elsewhere}");
            assert_eq!(rules.redirect_uris, [""; 0], "{elsewhere}");
        }
        for bad in [
            "http://0.0.0.0:8080",
            "https://127.0.0.1",
            "http://u@127.0.0.1",
            "http://example.com/issuer",
            "x",
            "",
        ] {
            let error = with(|s| s.public_url = Some(bad.into())).unwrap_err();
            assert!(error.starts_with("issuer.public_url: "), "{error}");
        }
        for bad in [
            "http://example.com",
            "http://0.0.0.0:8080",
            "https://127.0.0.1",
            "http://u@127.0.0.1",
            "x",
            "",
        ] {
            let error = with(|s| s.redirect_uris = vec![bad.into()]).unwrap_err();
            assert!(error.starts_with("issuer.redirect_uris: "), "{error}");
        }
        for good in [
            "http://localhost:8080",
            "http://[::1]:8080",
            "http://127.0.0.2:80",
        ] {
            let rules = with(|s| s.public_url = Some(good.into())).unwrap();
            assert!(rules.people_may_sign_in, "{good}");
        }
    }

    #[test]
    fn impossible_times_are_refused_by_name() {
        assert!(
            with(|s| s.token_lifetime_s = 901)
                .unwrap_err()
                .contains("token_lifetime_s")
        );
        assert!(
            with(|s| s.token_lifetime_s = 0)
                .unwrap_err()
                .contains("token_lifetime_s")
        );
        assert!(
            with(|s| s.key_rotation_hours = 0)
                .unwrap_err()
                .contains("key_rotation_hours")
        );
        assert!(
            with(|s| s.key_notice_s = 86_400)
                .unwrap_err()
                .contains("key_notice_s")
        );
    }

    #[test]
    fn an_engine_that_is_not_compiled_in_is_named_and_its_password_is_not() {
        let error = |url: &str| {
            let settings = Settings {
                database_url: Some(url.into()),
                ..Settings::default()
            };
            settings.database().unwrap_err().to_string()
        };
        let text = error("mysql://user:secret@host/db");
        assert!(
            text.contains("database_url") && text.contains("`mysql:`") && !text.contains("secret"),
            "{text}"
        );
        assert!(error("sqlite:").contains("names no file"));
        assert!(!error("postgres://user:secret@host").contains("secret"));
    }
}
