//! Which hosts a tenant's links may lead to.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::TargetUrl;

/// Most domains on a tenant's two lists together, unless the settings say otherwise.
pub const DOMAINS_MAX: usize = 1_000;
/// Longest domain, in bytes: what DNS can name (RFC 1035), without the root dot.
const DOMAIN_BYTES_MAX: usize = 253;

/// A host in its normal form: lower case, international names as punycode, no root dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Domain(String);

/// Why a domain was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a domain or address, such as example.com; a domain's subdomains are always meant too")]
pub struct NotADomain;

impl Domain {
    /// Reads a name or an address, without scheme, port or path.
    pub fn parse(text: &str) -> Result<Self, NotADomain> {
        // What would end the host, or stand before it, is not part of a domain; a star need not be said.
        let foreign = |c: char| matches!(c, '/' | '\\' | '?' | '#' | '@' | '*' | '%') || c.is_whitespace();
        if text.is_empty() || text.contains(foreign) {
            return Err(NotADomain);
        }
        let url = Url::parse(&format!("http://{text}/")).map_err(|_| NotADomain)?;
        let name = match url.host().ok_or(NotADomain)? {
            // Seen in the text as well: the parser hides the port that is the default.
            // As URLs spell it, which is not everywhere how addresses do.
            Host::Ipv6(_) if text.ends_with(']') => url.host_str().unwrap_or_default().to_owned(),
            Host::Ipv4(address) if !text.contains(':') => address.to_string(),
            Host::Domain(name) if !text.contains(':') => name.strip_suffix('.').unwrap_or(name).to_owned(),
            _ => return Err(NotADomain),
        };
        if name.len() > DOMAIN_BYTES_MAX || name.split('.').any(str::is_empty) {
            return Err(NotADomain);
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A host and every domain it is part of: `a.b.example`, `b.example`, `example`.
pub(crate) fn with_parents(host: &str) -> impl Iterator<Item = &str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, parent)| parent))
}

/// A tenant's lists. A domain stands for its subdomains too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DomainLists {
    /// If there is one, links lead to these only.
    pub allow: BTreeSet<Domain>,
    /// Links never lead to these, allowed or not.
    pub deny: BTreeSet<Domain>,
}

/// Why a URL is not for this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainRefusal {
    /// On the deny list.
    #[error("your organisation does not allow links to this domain")]
    Denied,
    /// Not on the allow list.
    #[error("your organisation allows links to certain domains only, and this is none of them")]
    NotAllowed,
}

impl DomainLists {
    /// Whether everything is allowed.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether the tenant's links may lead to `target`.
    pub fn judge(&self, target: &TargetUrl) -> Result<(), DomainRefusal> {
        if self.is_empty() {
            return Ok(());
        }
        let is_on = |list: &BTreeSet<Domain>| with_parents(target.host()).any(|name| list.contains(name));
        if is_on(&self.deny) {
            Err(DomainRefusal::Denied)
        } else if !self.allow.is_empty() && !is_on(&self.allow) {
            Err(DomainRefusal::NotAllowed)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OwnHosts, URL_BYTES_MAX};
    use super::*;

    fn list(domains: &[&str]) -> BTreeSet<Domain> {
        domains.iter().map(|text| Domain::parse(text).unwrap()).collect()
    }

    fn judge(lists: &DomainLists, url: &str) -> Result<(), DomainRefusal> {
        lists.judge(&TargetUrl::parse(url, &OwnHosts::new(), URL_BYTES_MAX).unwrap())
    }

    #[test]
    fn a_domain_is_kept_in_its_normal_form() {
        for (text, normal) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("0x7f.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("ｅxample.com", "example.com"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), normal, "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            "example.com:80",
            "example.com:8080",
            "http://example.com",
            "example.com/path",
            "*.example.com",
            "me@example.com",
            "exam ple.com",
            "a?b",
            "a#b",
            "exa%6dple.com",
            "[::1]:80",
            "a\\b",
        ] {
            assert_eq!(Domain::parse(text), Err(NotADomain), "{text}");
        }
        let longest = format!("{}.example", "a.".repeat(122) + "a");
        assert_eq!(longest.len(), 253);
        assert!(Domain::parse(&longest).is_ok() && Domain::parse(&format!("{longest}.")).is_ok());
        assert_eq!(Domain::parse(&format!("a{longest}")), Err(NotADomain));
    }

    #[test]
    fn a_denied_domain_is_denied_in_every_spelling_with_its_subdomains_and_nothing_beside_it() {
        let lists = DomainLists {
            deny: list(&["evil.example", "bücher.example", "10.0.0.1", "[::1]"]),
            ..DomainLists::default()
        };
        for url in [
            "https://evil.example/",
            "https://EVIL.example:8443/x",
            "https://evil.example./",
            "https://a.b.evil.example/",
            "https://xn--bcher-kva.example/",
            "https://www.bücher.example/",
            "http://10.1/",
            "http://[0:0::1]:3000/",
        ] {
            assert_eq!(judge(&lists, url), Err(DomainRefusal::Denied), "{url}");
        }
        for url in [
            "https://notevil.example/",
            "https://evil.example.com/",
            "https://example/evil.example",
            "http://0.0.1/",
        ] {
            assert_eq!(judge(&lists, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_allow_list_closes_everything_else_and_the_deny_list_has_the_last_word() {
        let lists = DomainLists {
            allow: list(&["example.com"]),
            deny: list(&["bad.example.com"]),
        };
        assert_eq!(judge(&lists, "https://www.example.com/"), Ok(()));
        assert_eq!(
            judge(&lists, "https://example.org/"),
            Err(DomainRefusal::NotAllowed)
        );
        assert_eq!(
            judge(&lists, "https://x.bad.example.com/"),
            Err(DomainRefusal::Denied)
        );
        assert_eq!(judge(&DomainLists::default(), "https://example.org/"), Ok(()));
    }
}
