//! What a redirect needs of a link, as it is remembered here and between processes.

use std::sync::Arc;

use bytes::Bytes;
use cache::Codec;
use http::HeaderValue;
use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use crate::link::{Code, Details, Lifetime, Link, Routing, Rule, TargetUrl, Weighted};
use crate::store::StoreError;
use crate::visit::{Country, Device};

/// What a redirect needs of a link, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which link.
    pub link_id: Id,
    /// Whose link.
    pub tenant: Tenant,
    /// Its code.
    pub code: Code,
    /// The `Location` header.
    pub location: HeaderValue,
    /// How long it leads there.
    pub lifetime: Lifetime,
    /// What is judged on each visit, for the few links that have any of it.
    pub gates: Option<Box<Gates>>,
}

/// What a visit has to pass, and where it may be led instead. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// Led nowhere.
    pub archived: bool,
    /// From when on the link is followed (Unix ms).
    pub active_from_ms: Option<u64>,
    /// Where it leads out of its time, and past its cap.
    pub fallback: Option<HeaderValue>,
    /// Most clicks that are followed.
    pub click_cap: Option<u64>,
    /// Whether there is a password. Its hash stays in the store: what is remembered and shared need not hold it.
    pub password: bool,
    /// By country and device, in their order.
    pub rules: Vec<GateRule>,
    /// Shares of visitors, by weight.
    pub weighted: Vec<(u32, HeaderValue)>,
    /// How long an edge may answer in our place, in seconds.
    pub edge_cache_s: Option<u32>,
}

/// Leads some visitors elsewhere; nothing named means any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRule {
    /// From these countries.
    pub countries: Vec<Country>,
    /// With these devices.
    pub devices: Vec<Device>,
    /// Where to.
    pub to: HeaderValue,
}

impl Destination {
    /// What a redirect needs of this link.
    pub(crate) fn of(link: Link) -> Result<Self, StoreError> {
        let gates = SharedGates::of(&link.details).gates();
        let (Some(location), Some(gates)) = (header(&link.target), gates) else {
            return Err(StoreError::Corrupt(
                "a stored URL does not fit a header".to_owned(),
            ));
        };
        Ok(Self {
            link_id: link.id,
            tenant: link.tenant,
            code: link.code,
            location,
            lifetime: link.lifetime,
            gates,
        })
    }
}

/// A stored URL is ASCII without control characters; whatever is not never gets into a header.
fn header(url: &TargetUrl) -> Option<HeaderValue> {
    HeaderValue::from_str(url.as_str()).ok()
}

fn url(header: &HeaderValue) -> TargetUrl {
    TargetUrl::from_store(String::from_utf8_lossy(header.as_bytes()).into_owned())
}

/// How destinations are written where other processes read them.
pub(crate) fn codec() -> Codec<Code, Arc<Destination>> {
    Codec {
        key: |code| code.as_str().to_owned(),
        parse_key: Code::parse,
        encode: |destination| encode(destination),
        decode: |bytes| decode(bytes).map(Arc::new),
    }
}

/// What this program writes. Versions 1 and none knew of no gates: read as if there were none, a link would be open.
const VERSION: u32 = 2;

/// Fields are added, never renamed: an older and a newer version of this program read the same cache. What must not be passed over
/// raises the version.
#[derive(Serialize, Deserialize)]
struct Shared {
    v: u32,
    id: Id,
    tenant: String,
    code: String,
    url: String,
    #[serde(default)]
    permanent: bool,
    #[serde(default)]
    expires_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "SharedGates::is_none")]
    gates: SharedGates,
}

/// [`Gates`] on their way: as [`Details`] have them, but for the password.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct SharedGates {
    archived: bool,
    active_from_ms: Option<u64>,
    fallback: Option<TargetUrl>,
    click_cap: Option<u64>,
    password: bool,
    routing: Routing,
    edge_cache_s: Option<u32>,
}

impl SharedGates {
    fn of(details: &Details) -> Self {
        Self {
            archived: details.archived,
            active_from_ms: details.active_from_ms,
            fallback: details.fallback.clone(),
            click_cap: details.click_cap,
            password: details.password.is_some(),
            routing: details.routing.clone(),
            edge_cache_s: details.edge_cache_s,
        }
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Ready to be judged by; `None` when a URL does not fit a header.
    #[expect(clippy::option_option, reason = "unusable and not there are two things")]
    fn gates(&self) -> Option<Option<Box<Gates>>> {
        if self.is_none() {
            return Some(None);
        }
        let rule = |rule: &Rule| {
            Some(GateRule {
                countries: rule.countries.clone(),
                devices: rule.devices.clone(),
                to: header(&rule.to)?,
            })
        };
        let share = |share: &Weighted| Some((share.weight, header(&share.to)?));
        Some(Some(Box::new(Gates {
            archived: self.archived,
            active_from_ms: self.active_from_ms,
            fallback: match &self.fallback {
                Some(url) => Some(header(url)?),
                None => None,
            },
            click_cap: self.click_cap,
            password: self.password,
            rules: self.routing.rules.iter().map(rule).collect::<Option<_>>()?,
            weighted: self.routing.weighted.iter().map(share).collect::<Option<_>>()?,
            edge_cache_s: self.edge_cache_s,
        })))
    }
}

impl From<&Gates> for SharedGates {
    fn from(gates: &Gates) -> Self {
        let rule = |rule: &GateRule| Rule {
            countries: rule.countries.clone(),
            devices: rule.devices.clone(),
            to: url(&rule.to),
        };
        let share = |(weight, to): &(u32, HeaderValue)| Weighted {
            weight: *weight,
            to: url(to),
        };
        Self {
            archived: gates.archived,
            active_from_ms: gates.active_from_ms,
            fallback: gates.fallback.as_ref().map(url),
            click_cap: gates.click_cap,
            password: gates.password,
            routing: Routing {
                rules: gates.rules.iter().map(rule).collect(),
                weighted: gates.weighted.iter().map(share).collect(),
            },
            edge_cache_s: gates.edge_cache_s,
        }
    }
}

fn encode(destination: &Destination) -> Bytes {
    let shared = Shared {
        v: VERSION,
        id: destination.link_id,
        tenant: destination.tenant.as_str().to_owned(),
        code: destination.code.as_str().to_owned(),
        url: String::from_utf8_lossy(destination.location.as_bytes()).into_owned(),
        permanent: destination.lifetime.is_permanent(),
        expires_at_ms: destination.lifetime.expires_at_ms(),
        gates: destination
            .gates
            .as_deref()
            .map(SharedGates::from)
            .unwrap_or_default(),
    };
    serde_json::to_vec(&shared)
        .expect("text and numbers are always JSON")
        .into()
}

/// `None`, which is read as "not known here", for whatever this program would not have written.
fn decode(bytes: &[u8]) -> Option<Destination> {
    let shared: Shared = serde_json::from_slice(bytes).ok()?;
    if shared.v != VERSION {
        return None;
    }
    Some(Destination {
        link_id: shared.id,
        tenant: Tenant::parse(&shared.tenant).ok()?,
        code: Code::parse(&shared.code)?,
        location: HeaderValue::from_str(&shared.url).ok()?,
        lifetime: Lifetime::of(shared.permanent, shared.expires_at_ms).ok()?,
        gates: shared.gates.gates()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{PasswordHash, Tags};

    fn link(lifetime: Lifetime, details: Details) -> Link {
        Link {
            id: Id::from_u64(u64::MAX >> 1).unwrap(),
            tenant: Tenant::parse("acme").unwrap(),
            code: Code::parse("rust").unwrap(),
            target: TargetUrl::from_store("https://example.com/%C3%A4?a=%22".to_owned()),
            lifetime,
            tags: Tags::default(),
            created_at_ms: 1,
            updated_at_ms: 1,
            revision: 1,
            details,
        }
    }

    fn all_gates() -> Details {
        let to = |path: &str| TargetUrl::from_store(format!("https://example.com/{path}"));
        Details {
            archived: true,
            active_from_ms: Some(1),
            fallback: Some(to("fallback")),
            click_cap: Some(u64::MAX),
            password: Some(PasswordHash("$argon2id$secret".to_owned())),
            routing: Routing {
                rules: vec![Rule {
                    countries: vec![Country::parse("DE").unwrap()],
                    devices: vec![Device::Mobile],
                    to: to("rule"),
                }],
                weighted: vec![Weighted {
                    weight: 7,
                    to: to("share"),
                }],
            },
            edge_cache_s: Some(60),
            ..Details::default()
        }
    }

    #[test]
    fn what_is_shared_reads_back_as_it_was() {
        for lifetime in [
            Lifetime::Permanent,
            Lifetime::UntilDeleted,
            Lifetime::Until(u64::MAX),
        ] {
            for details in [Details::default(), all_gates()] {
                let destination = Destination::of(link(lifetime, details)).unwrap();
                assert_eq!(decode(&encode(&destination)), Some(destination));
            }
        }
    }

    #[test]
    fn a_link_without_gates_carries_none_and_titles_and_notes_are_none() {
        let plain = Details {
            title: Some("Spring".to_owned()),
            notes: Some("for Ada".to_owned()),
            ..Details::default()
        };
        let destination = Destination::of(link(Lifetime::UntilDeleted, plain)).unwrap();
        assert_eq!(destination.gates, None);
        assert!(!String::from_utf8_lossy(&encode(&destination)).contains("gates"));
    }

    #[test]
    fn a_password_is_shared_as_the_word_that_there_is_one() {
        let destination = Destination::of(link(Lifetime::UntilDeleted, all_gates())).unwrap();
        assert!(destination.gates.as_ref().unwrap().password);
        assert!(!String::from_utf8_lossy(&encode(&destination)).contains("argon2"));
    }

    #[test]
    fn what_an_older_program_wrote_is_not_known_for_it_lacks_the_gates() {
        let older =
            r#"{"id":"1","tenant":"acme","code":"rust","url":"https://example.com/","permanent":false}"#;
        assert_eq!(decode(older.as_bytes()), None);
        let now = older.replacen('{', r#"{"v":2,"#, 1);
        assert!(decode(now.as_bytes()).is_some());
        for other in [r#"{"v":1,"#, r#"{"v":3,"#] {
            assert_eq!(decode(older.replacen('{', other, 1).as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn fields_of_a_newer_program_are_passed_over_and_nonsense_is_not_known() {
        let destination = Destination::of(link(Lifetime::Permanent, Details::default())).unwrap();
        let mut newer: serde_json::Value = serde_json::from_slice(&encode(&destination)).unwrap();
        newer["colour"] = "red".into();
        assert!(decode(newer.to_string().as_bytes()).is_some());
        for nonsense in [
            "",
            "{}",
            r#"{"v":2,"id":"1","tenant":"acme","code":"rust","url":"a\nb"}"#,
            r#"{"v":2,"id":"1","tenant":"acme","code":"rust","url":"https://a.example/","gates":{"fallback":"a\nb"}}"#,
        ] {
            assert_eq!(decode(nonsense.as_bytes()), None, "{nonsense}");
        }
    }
}
