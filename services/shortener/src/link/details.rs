//! What stands beside where a link leads: nothing is looked up by it, and all of it is read with the whole link.

use std::fmt;

use identity::User;
use serde::{Deserialize, Serialize};

use super::TargetUrl;
use crate::visit::{Country, Device};

/// The parts of a link that most links do not have. Stored as JSON: a part is added, never renamed, and one that is not there
/// is as it is by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Who made it, or was given it; unknown for links of before owners were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<User>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What people wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Put away: kept, but not followed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// From when on it is followed (Unix ms).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_from_ms: Option<u64>,
    /// Where it leads before its time, after it, and past its cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<TargetUrl>,
    /// Most clicks that are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_cap: Option<u64>,
    /// Asked for before it is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Who is led elsewhere.
    #[serde(skip_serializing_if = "Routing::is_empty")]
    pub routing: Routing,
    /// How long an edge may answer in our place, in seconds; those clicks are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_cache_s: Option<u32>,
}

/// Argon2id in PHC form (`$argon2id$v=19$..`). Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash(..)")
    }
}

/// Destinations for some. The first rule that fits wins; else one of the weighted ones, if there are any; else the link's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// By country and device, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// By weight: each visitor keeps to one for a day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weighted: Vec<Weighted>,
}

impl Routing {
    /// Whether everybody is led to the link's own URL.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.weighted.is_empty()
    }
}

/// Leads visitors of some countries, with some devices, elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Any of these; none named: every country, also one that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<Country>,
    /// Any of these; none named: every device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Where they are led.
    pub to: TargetUrl,
}

/// One of several destinations among which visitors are shared out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighted {
    /// Its share, in parts of the sum of all weights.
    pub weight: u32,
    /// Where they are led.
    pub to: TargetUrl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_newer_program_are_passed_over_and_missing_ones_are_as_by_default() {
        let read: Details = serde_json::from_str(r#"{"title":"Spring","colour":"red"}"#).unwrap();
        assert_eq!(read.title.as_deref(), Some("Spring"));
        assert_eq!(serde_json::to_string(&Details::default()).unwrap(), "{}");
    }

    #[test]
    fn a_password_hash_does_not_get_into_logs() {
        let hash = PasswordHash("$argon2id$secret".to_owned());
        assert!(!format!("{hash:?}").contains("secret"));
    }
}
