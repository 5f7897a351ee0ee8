//! A URL that a stranger gave, read and judged as far as that goes without asking anybody.

use std::net::IpAddr;

use url::{Host, Url};

use crate::address::{AddressKind, judge};
use crate::settings::OutboundSettings;

/// The longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// Names that mean this machine or this network, wherever they are asked.
const LOCAL_SUFFIXES: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "lan", "intranet"];

/// Why a URL is not called. The texts say what to give instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// Too long.
    #[error("a URL has at most {URL_BYTES_MAX} bytes")]
    TooLong,
    /// Not one.
    #[error("it is no URL; give one such as https://example.com/hooks")]
    Unreadable,
    /// Another scheme.
    #[error("it must begin with https://")]
    Scheme,
    /// `user:password@`.
    #[error("it must not hold a user name or a password")]
    UserInfo,
    /// A port that is not open to strangers.
    #[error("its port {0} is not one that may be called")]
    Port(u16),
    /// No host, one of a single word, or one with a dot at its end.
    #[error("its host must be a full name such as hooks.example.com, without a dot at its end")]
    Host,
    /// A name for this machine or network.
    #[error("its host is a name for local machines")]
    LocalName,
    /// An address that nobody may lead us to.
    #[error("its host is {0}")]
    Address(AddressKind),
}

impl RefusedUrl {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "url_too_long",
            Self::Unreadable => "url_unreadable",
            Self::Scheme => "https_required",
            Self::UserInfo => "url_with_credentials",
            Self::Port(_) => "port_refused",
            Self::Host => "host_invalid",
            Self::LocalName | Self::Address(_) => "address_refused",
        }
    }
}

/// A URL that may be called, if its host resolves to addresses that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
    tls: bool,
}

impl Target {
    /// Reads a URL as browsers do (so that every spelling of an address is that address), and judges what can be judged without asking.
    pub fn parse(text: &str, settings: &OutboundSettings) -> Result<Self, RefusedUrl> {
        if text.len() > URL_BYTES_MAX {
            return Err(RefusedUrl::TooLong);
        }
        let url = Url::parse(text).map_err(|_| RefusedUrl::Unreadable)?;
        let tls = match url.scheme() {
            "https" => true,
            "http" if settings.open_loopback => false,
            _ => return Err(RefusedUrl::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::UserInfo);
        }
        let host = url.host().ok_or(RefusedUrl::Host)?.to_owned();
        let port = url.port_or_known_default().ok_or(RefusedUrl::Port(0))?;
        let target = Self { url, host, port, tls };
        target.judge_host(settings)?;
        if !settings.open_loopback && !settings.ports.contains(&port) {
            return Err(RefusedUrl::Port(port));
        }
        Ok(target)
    }

    /// The URL as it is called: normalized.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    fn judge_host(&self, settings: &OutboundSettings) -> Result<(), RefusedUrl> {
        let address = match &self.host {
            Host::Domain(name) => return judge_name(name, settings),
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        match judge(address) {
            Err(AddressKind::Loopback) if settings.open_loopback => Ok(()),
            Err(kind) => Err(RefusedUrl::Address(kind)),
            Ok(()) => Ok(()),
        }
    }

    pub(crate) fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn tls(&self) -> bool {
        self.tls
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// What the request line says.
    pub(crate) fn path_and_query(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

fn judge_name(name: &str, settings: &OutboundSettings) -> Result<(), RefusedUrl> {
    if settings.open_loopback && name == "localhost" {
        return Ok(());
    }
    let bare = name.trim_end_matches('.');
    let is_local = |suffix: &str| {
        bare.strip_suffix(suffix)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    if LOCAL_SUFFIXES.iter().any(|suffix| is_local(suffix)) {
        return Err(RefusedUrl::LocalName);
    }
    if bare.len() != name.len() || !name.contains('.') {
        return Err(RefusedUrl::Host);
    }
    Ok(())
}
