//! From the headers of a request to a [`Visit`]. On the hot path: one hash for the user agent, one for the referrer's host, one keyed hash.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::{REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName};

use super::agent::Agents;
use super::geo::Countries;
use super::pseudonym::Pseudonyms;
use super::referrer::Referrers;
use super::{Country, Kind, Visit};
use crate::config::Analytics;

/// Set by the gateway, which lets nobody else's through.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Sees who follows.
#[derive(Debug)]
pub struct Observer {
    analytics: Analytics,
    country_header: Option<HeaderName>,
    /// Out of the file, if there is one.
    countries: Option<ArcSwap<Countries>>,
    /// Makes visitors out of addresses.
    pub(crate) pseudonyms: Pseudonyms,
    agents: Agents,
    referrers: Referrers,
}

impl Observer {
    /// With a header that names the country, if one is trusted, and countries by address, if there is a file of them.
    pub(crate) fn new(
        analytics: Analytics,
        country_header: Option<HeaderName>,
        countries: Option<Countries>,
    ) -> Arc<Self> {
        Arc::new(Self {
            analytics,
            country_header,
            countries: countries.map(ArcSwap::from_pointee),
            pseudonyms: Pseudonyms::default(),
            agents: Agents::default(),
            referrers: Referrers::default(),
        })
    }

    /// Who follows at `at_ms` (Unix ms). Where statistics are off there is nothing to see, unless the link asks who it is: `asked`.
    pub(crate) fn of(&self, headers: &HeaderMap, at_ms: u64, asked: bool) -> Visit {
        if self.analytics == Analytics::Off && !asked {
            return Visit::default();
        }
        let address = client_of(headers);
        let user_agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        let agent = self.agents.of(user_agent);
        let referrer = headers.get(REFERER);
        Visit {
            kind: Kind {
                country: self.country(headers, address),
                device: agent.device,
                browser: agent.browser,
                bot: agent.bot,
                referrer: referrer.and_then(|value| self.referrers.of(value.as_bytes())),
            },
            visitor: self.pseudonyms.visitor(at_ms, address, user_agent),
        }
    }

    /// What is kept of a visit: nothing where statistics are off, although its link has asked.
    pub(crate) fn kept(&self, visit: Visit) -> Visit {
        match self.analytics {
            Analytics::Full => visit,
            Analytics::Off => Visit::default(),
        }
    }

    /// Takes countries from here from now on.
    pub(crate) fn know(&self, countries: Countries) {
        if let Some(known) = &self.countries {
            known.store(countries.into());
        }
    }

    /// The header knows better than the file: whoever sets it stands nearer to the client.
    fn country(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Option<Country> {
        let named = self.country_header.as_ref().and_then(|name| headers.get(name));
        let named = named.and_then(|value| Country::parse(value.to_str().ok()?.trim()));
        named.or_else(|| self.countries.as_ref()?.load().country(address?))
    }
}

/// Whom the gateway serves; without a gateway, who is connected.
pub(crate) fn client_of(headers: &HeaderMap) -> Option<IpAddr> {
    let forwarded = headers.get_all(FORWARDED_FOR).iter().next_back();
    let forwarded = forwarded.and_then(|value| value.to_str().ok());
    // Of several the last is the one that our own gateway saw.
    let forwarded = forwarded.and_then(|text| text.rsplit(',').next()?.trim().parse().ok());
    forwarded.or_else(|| server::peer().map(|peer| peer.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::visit::{Browser, Device};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn countries() -> Countries {
        Countries::read(&b"192.0.2.0,192.0.2.255,DE\n"[..]).unwrap()
    }

    #[test]
    fn a_visit_is_what_the_headers_say_and_a_robot_says_so() {
        let visits = Observer::new(Analytics::Full, None, Some(countries()));
        let person = headers(&[
            (
                "user-agent",
                "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0",
            ),
            ("referer", "https://news.example/item"),
            ("x-forwarded-for", "192.0.2.7"),
        ]);
        let visit = visits.of(&person, 0, false);
        let expected = Kind {
            country: Country::parse("DE"),
            device: Device::Mobile,
            browser: Browser::Firefox,
            bot: false,
            referrer: Some("news.example".into()),
        };
        assert_eq!(visit.kind, expected);
        assert!(visit.visitor.is_known());
        assert!(
            visits
                .of(&headers(&[("user-agent", "Googlebot/2.1")]), 0, false)
                .kind
                .bot
        );
        let nobody = visits.of(&HeaderMap::new(), 0, false);
        assert_eq!(nobody.kind, Kind::default());
        assert_ne!(nobody.visitor, visit.visitor);
    }

    #[test]
    fn the_header_is_believed_only_where_it_is_named_and_before_the_file() {
        let said = headers(&[
            ("cf-ipcountry", "fr"),
            ("x-forwarded-for", "203.0.113.1, 192.0.2.7"),
        ]);
        let country = |visits: &Observer| visits.of(&said, 0, false).kind.country;
        let header = || Some(HeaderName::from_static("cf-ipcountry"));
        let full = |header, countries| Observer::new(Analytics::Full, header, countries);
        assert_eq!(country(&full(None, None)), None);
        assert_eq!(country(&full(None, Some(countries()))), Country::parse("DE"));
        assert_eq!(country(&full(header(), Some(countries()))), Country::parse("FR"));
        assert_eq!(
            country(&full(Some(HeaderName::from_static("other")), Some(countries()))),
            Country::parse("DE")
        );
    }

    #[test]
    fn with_statistics_off_nothing_is_seen_unless_a_link_asks() {
        let visits = Observer::new(Analytics::Off, None, None);
        let person = headers(&[("user-agent", "Firefox/144.0"), ("x-forwarded-for", "192.0.2.7")]);
        assert_eq!(visits.of(&person, 0, false), Visit::default());
        let asked = visits.of(&person, 0, true);
        assert_eq!(asked.kind.browser, Browser::Firefox);
        assert_eq!(visits.kept(asked), Visit::default());
    }
}
