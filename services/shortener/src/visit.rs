//! Who follows a link, as far as we want to know it: where about, with what, from where, and whether it is the same as before today.
//! Nothing here names a person: an address and a user agent go in, and do not come out.

mod agent;
pub(crate) mod geo;
mod observer;
pub(crate) mod pseudonym;
mod referrer;

pub(crate) use observer::{Observer, client_of};

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A country by its ISO 3166-1 alpha-2 code, in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// Two letters in any case. What says "unknown" (`XX`, `ZZ`) is no country.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = <[u8; 2]>::try_from(text.as_bytes()).ok()?;
        let country = Self(letters.map(|letter| letter.to_ascii_uppercase()));
        let known = country.0.iter().all(u8::is_ascii_uppercase) && !matches!(&country.0, b"XX" | b"ZZ");
        known.then_some(country)
    }

    /// Its two letters.
    #[expect(clippy::missing_panics_doc, reason = "two ASCII letters are UTF-8")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("two ASCII letters are UTF-8")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a country is two letters (ISO 3166-1 alpha-2)")
    }
}

/// What kind of device follows. A kind that a newer version knows reads as [`Device::Other`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// A computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// Not told, or none of these: also programs.
    #[default]
    #[serde(other)]
    Other,
}

impl Device {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Desktop, Self::Mobile, Self::Tablet, Self::Other];

    /// Its name as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Other => "other",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.as_str() == name)
    }
}

/// Which family of browsers follows. One that a newer version knows reads as [`Browser::Other`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Browser {
    /// Chrome and Chromium.
    Chrome,
    /// Firefox.
    Firefox,
    /// Safari.
    Safari,
    /// Edge.
    Edge,
    /// Opera.
    Opera,
    /// Samsung Internet.
    Samsung,
    /// Not told, or none of these: also programs.
    #[default]
    #[serde(other)]
    Other,
}

impl Browser {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::Chrome,
        Self::Firefox,
        Self::Safari,
        Self::Edge,
        Self::Opera,
        Self::Samsung,
        Self::Other,
    ];

    /// Its name as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chrome => "chrome",
            Self::Firefox => "firefox",
            Self::Safari => "safari",
            Self::Edge => "edge",
            Self::Opera => "opera",
            Self::Samsung => "samsung",
            Self::Other => "other",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|browser| browser.as_str() == name)
    }
}

/// Longest host that is kept of a page that links to us; of a longer one nothing is.
pub const REFERRER_BYTES_MAX: usize = 100;

/// The host of a page that links to us, in lower case. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct ReferrerHost(Arc<str>);

impl Deref for ReferrerHost {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ReferrerHost {
    fn from(host: &str) -> Self {
        Self(host.into())
    }
}

impl From<String> for ReferrerHost {
    fn from(host: String) -> Self {
        Self(host.into())
    }
}

impl From<ReferrerHost> for String {
    fn from(host: ReferrerHost) -> Self {
        host.0.as_ref().to_owned()
    }
}

/// What statistics tell visits apart by. Many visits share one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// Where about, if that is known at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// With what kind of device.
    #[serde(default)]
    pub device: Device,
    /// With which browser.
    #[serde(default)]
    pub browser: Browser,
    /// Whether it is a robot that says so: it is redirected, and counted apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
    /// From the pages of which host, if the browser told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<ReferrerHost>,
}

/// Whoever follows, under a pseudonym that holds for one UTC day: a keyed hash of address and user agent. The key is thrown away, so
/// that afterwards nobody can tell whose it was, or whether two days' pseudonyms are the same person's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Visitor(pub u64);

impl Visitor {
    /// Nobody in particular: visitors are not told apart (`clicks.analytics = "off"`).
    pub const UNKNOWN: Self = Self(0);

    /// Whether this is somebody, and so one of the uniques.
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }
}

/// One visit, without its link and its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Visit {
    /// What statistics tell it apart by.
    pub kind: Kind,
    /// Whose.
    pub visitor: Visitor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters_and_unknown_is_none() {
        assert_eq!(Country::parse("de").unwrap().as_str(), "DE");
        for text in ["", "D", "DEU", "T1", "XX", "zz", "ä"] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_kind_reads_back_and_what_a_newer_version_adds_reads_as_other() {
        let kind = Kind {
            country: Country::parse("DE"),
            device: Device::Mobile,
            browser: Browser::Firefox,
            bot: true,
            referrer: Some("news.example".into()),
        };
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(
            json,
            r#"{"country":"DE","device":"mobile","browser":"firefox","bot":true,"referrer":"news.example"}"#
        );
        assert_eq!(serde_json::from_str::<Kind>(&json).unwrap(), kind);
        let newer = r#"{"device":"watch","browser":"ladybird","language":"de"}"#;
        assert_eq!(serde_json::from_str::<Kind>(newer).unwrap(), Kind::default());
    }

    #[test]
    fn each_name_leads_back_to_what_it_names() {
        for device in Device::ALL {
            assert_eq!(Device::parse(device.as_str()), Some(device));
        }
        for browser in Browser::ALL {
            assert_eq!(Browser::parse(browser.as_str()), Some(browser));
        }
    }
}
