//! Where a link leads.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Longest URL, in bytes, unless the settings say otherwise.
pub const URL_BYTES_MAX: usize = 2_048;

/// An absolute `http` or `https` URL in its normal form (WHATWG), which is ASCII and safe in a header.
///
/// It is deserialized as it was stored; what a client sends goes through [`TargetUrl::parse`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TargetUrl(String);

/// Why a URL was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than the limit, as sent or in its normal form.
    #[error("the URL is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// Not an absolute URL.
    #[error("this is not an absolute URL")]
    Unreadable,
    /// `javascript:`, `data:`, `ftp:` and the rest.
    #[error("only http:// and https:// URLs can be shortened")]
    Scheme,
    /// User name or password, which a redirect would hand to everybody.
    #[error("a URL with credentials cannot be shortened")]
    Credentials,
    /// Spaces, control characters or backslashes: programs disagree on what such a URL means.
    #[error("the URL has characters that do not belong there; percent-encode them")]
    Characters,
    /// Leads back here.
    #[error("a link cannot lead back to this service")]
    OwnHost,
}

/// Hosts and ports that lead back to this platform.
#[derive(Clone, Debug, Default)]
pub struct OwnHosts {
    /// Names and addresses refused at any port.
    everywhere: BTreeSet<String>,
    /// Ports refused on every name and address of this machine's loopback.
    loopback_ports: BTreeSet<u16>,
    /// Names and addresses refused at one port.
    at_port: BTreeSet<(String, u16)>,
}

impl OwnHosts {
    /// Nothing is our own yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The address links are published under. A public name is ours at every port (another port or scheme of it
    /// commonly forwards here); on loopback only the port is ours, for one may well shorten `http://localhost:3000`.
    #[must_use]
    pub fn base_url(mut self, base: &Url) -> Self {
        let Some(host) = base.host() else { return self };
        if is_loopback(&host) {
            self.loopback_ports.extend(base.port_or_known_default());
        } else {
            self.everywhere.insert(name_of(&host));
        }
        self
    }

    /// A further own port on loopback.
    #[must_use]
    pub fn loopback_port(mut self, port: u16) -> Self {
        self.loopback_ports.insert(port);
        self
    }

    /// One more own authority, `host` (any port) or `host:port`. Returns `None` when it cannot be read.
    pub fn authority(mut self, text: &str) -> Option<Self> {
        let url = Url::parse(&format!("http://{text}/")).ok()?;
        let host = url.host()?;
        // `Url` hides an explicit default port, so look at the text as well.
        let port = url.port().or_else(|| text.ends_with(":80").then_some(80));
        match port {
            Some(port) if is_loopback(&host) => drop(self.loopback_ports.insert(port)),
            Some(port) => drop(self.at_port.insert((name_of(&host), port))),
            None => drop(self.everywhere.insert(name_of(&host))),
        }
        Some(self)
    }

    /// Whether following `url` would come back here.
    fn contains(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return false;
        };
        let name = name_of(&host);
        (is_loopback(&host) && self.loopback_ports.contains(&port))
            || self.everywhere.contains(&name)
            || self.at_port.contains(&(name, port))
    }
}

/// The host as written, without the root dot that names the same host.
fn name_of<S: AsRef<str>>(host: &Host<S>) -> String {
    match host {
        Host::Domain(name) => name.as_ref().trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => canonical(*address).to_string(),
    }
}

fn canonical(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

/// Every spelling of this machine, `0.0.0.0` included: connecting to it reaches loopback.
fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    let address_is = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    match host {
        Host::Domain(name) => {
            let name = name.as_ref().trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Host::Ipv4(address) => address_is(IpAddr::V4(*address)) || in_this_network(*address),
        Host::Ipv6(address) => {
            // Mapped (`::ffff:127.0.0.1`) and compatible (`::127.0.0.1`) spellings of IPv4 alike.
            let embedded = |v4: Ipv4Addr| address_is(IpAddr::V4(v4)) || in_this_network(v4);
            address_is(IpAddr::V6(*address)) || address.to_ipv4().is_some_and(embedded)
        }
    }
}

/// 0.0.0.0/8 means "this host on this network".
fn in_this_network(address: Ipv4Addr) -> bool {
    address.octets()[0] == 0
}

/// `a..` and `.a` name no host, and what programs make of them differs: lists of hosts would miss them. One root dot is none.
fn has_empty_label(url: &Url) -> bool {
    let Some(Host::Domain(name)) = url.host() else {
        return false;
    };
    let mut labels = name.strip_suffix('.').unwrap_or(name).split('.');
    labels.any(str::is_empty)
}

impl TargetUrl {
    /// Checks and normalises what a client sent.
    pub fn parse(text: &str, own: &OwnHosts, bytes_max: usize) -> Result<Self, TargetError> {
        if text.len() > bytes_max {
            return Err(TargetError::TooLong { bytes_max });
        }
        // The WHATWG parser silently drops tabs and line breaks and turns `\` into `/`; other programs do not.
        if text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
        {
            return Err(TargetError::Characters);
        }
        let url = Url::parse(text).map_err(|_| TargetError::Unreadable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        // `http:host` and `http:///host` parse too, but only browsers agree on where they lead.
        let after_scheme = text
            .get(url.scheme().len()..)
            .and_then(|rest| rest.strip_prefix("://"));
        let authority = after_scheme
            .unwrap_or("")
            .split(['/', '?', '#'])
            .next()
            .unwrap_or("");
        if authority.is_empty() {
            return Err(TargetError::Unreadable);
        }
        // Looked for in the text as well: the parser forgets an empty user name (`http://@host`).
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return Err(TargetError::Credentials);
        }
        if own.contains(&url) {
            return Err(TargetError::OwnHost);
        }
        if has_empty_label(&url) {
            return Err(TargetError::Unreadable);
        }
        let normal = String::from(url);
        if normal.len() > bytes_max {
            return Err(TargetError::TooLong { bytes_max });
        }
        Ok(Self(normal))
    }

    /// A URL that was checked when it was stored.
    pub fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host as the URL has it: a name in lower case (international ones as punycode), or an address, an IPv6 one in brackets.
    pub fn host(&self) -> &str {
        let after = self.0.split_once("://").map_or("", |(_, after)| after);
        super::known_bad::host_of(after.split('/').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnHosts {
        OwnHosts::new()
            .base_url(&Url::parse("http://127.0.0.1:8080").unwrap())
            .loopback_port(8094)
            .authority("sho.rt")
            .and_then(|own| own.authority("edge.example:8443"))
            .unwrap()
    }

    fn parse(text: &str) -> Result<String, TargetError> {
        TargetUrl::parse(text, &own(), URL_BYTES_MAX).map(|url| url.0)
    }

    #[test]
    fn http_and_https_urls_are_kept_in_their_normal_form() {
        let same = "https://example.com/a/b?x=1&y=%20#top";
        assert_eq!(parse(same).as_deref(), Ok(same));
        assert_eq!(
            parse("HTTP://EXAMPLE.com:80").as_deref(),
            Ok("http://example.com/")
        );
        assert_eq!(
            parse("https://bücher.example/ä").as_deref(),
            Ok("https://xn--bcher-kva.example/%C3%A4")
        );
        assert_eq!(
            parse("http://localhost:3000/x").as_deref(),
            Ok("http://localhost:3000/x")
        );
    }

    #[test]
    fn other_schemes_are_refused() {
        for text in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "ftp://example.com/",
            "file:///etc/passwd",
            "ws://example.com/",
            "blob:https://example.com/x",
        ] {
            assert_eq!(parse(text), Err(TargetError::Scheme), "{text}");
        }
    }

    #[test]
    fn what_programs_read_differently_is_refused() {
        for text in [
            "http://exam\nple.com/",
            "\thttp://example.com/",
            "http://example.com/ x",
            "http:\\\\example.com",
            "https://example.com/\r\nSet-Cookie: a=b",
            "http://example.com\u{0}/",
            "java\nscript:alert(1)",
        ] {
            assert_eq!(parse(text), Err(TargetError::Characters), "{text:?}");
        }
        for text in [
            "",
            "example.com",
            "/relative",
            "http:example.com",
            "http:///example.com",
            "http://",
            "https://exa%mple/",
        ] {
            assert_eq!(parse(text), Err(TargetError::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn credentials_are_refused() {
        for text in [
            "http://user@example.com/",
            "http://user:secret@example.com/",
            "http://:secret@example.com/",
            "http://@example.com/",
            "http://:@example.com/",
            "http://example.com%40@evil.example/",
        ] {
            assert_eq!(parse(text), Err(TargetError::Credentials), "{text}");
        }
        assert!(parse("http://example.com/@user?mail=a@b").is_ok());
    }

    #[test]
    fn no_spelling_of_our_own_host_gets_through() {
        for text in [
            "http://127.0.0.1:8080/abc",
            "http://localhost:8080/",
            "http://LOCALHOST:8080/",
            "http://localhost.:8080/",
            "http://a.localhost:8080/",
            "http://127.0.0.2:8080/",
            "http://127.1:8080/",
            "http://0x7f000001:8080/",
            "http://2130706433:8080/",
            "http://0177.0.0.1:8080/",
            "http://0.0.0.0:8080/",
            "http://0:8080/",
            "http://[::1]:8080/",
            "http://[::]:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://[::127.0.0.1]:8080/",
            "http://%6c%6fcalhost:8080/",
            "http://127.0.0.1:8094/abc",
            "https://localhost:8080/",
            "http://sho.rt/abc",
            "https://SHO.RT./abc",
            "https://sho.rt:444/abc",
            "http://ｓｈｏ.rt/abc",
            "http://sho%2Ert/abc",
            "https://edge.example:8443/",
        ] {
            assert_eq!(parse(text), Err(TargetError::OwnHost), "{text}");
        }
        assert!(parse("https://edge.example/").is_ok());
        assert!(parse("https://notsho.rt/").is_ok());
    }

    #[test]
    fn the_limit_counts_bytes_as_sent_and_as_kept() {
        let url = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
        assert!(parse(&url(2_048)).is_ok());
        assert_eq!(parse(&url(2_049)), Err(TargetError::TooLong { bytes_max: 2_048 }));
        let grows = format!("https://example.com/{}", "ä".repeat(400));
        assert_eq!(parse(&grows), Err(TargetError::TooLong { bytes_max: 2_048 }));
    }
}
