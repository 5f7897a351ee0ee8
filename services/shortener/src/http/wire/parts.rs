//! Parts of links on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::link::{Routing, Rule, Weighted};
use crate::operations::{AskedUtm, NewDestination};
use crate::visit::{Country, Device};

/// A short word without control characters. The space around it is no part of it.
#[derive(ToSchema)]
#[schema(as = Tag, value_type = String, min_length = 1, max_length = 50, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$", example = "campaign")]
pub(super) struct TagSchema(#[expect(dead_code, reason = "only its schema is used")] String);

/// Where some are led instead: visitors from some countries or with some devices, or a share of all. The first one that fits by
/// country and device wins; whom none fits is led to one of those with a weight, the same all day; without any, to the link's own
/// URL. To share out visitors between that and others, name it here too.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkDestination)]
pub(crate) struct DestinationBody {
    /// From any of these countries (ISO 3166-1 alpha-2); none: from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<CountrySchema>, required = false)]
    pub countries: Vec<String>,
    /// With any of these devices; none: with any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<DeviceSchema>, required = false)]
    pub devices: Vec<String>,
    /// Its share, in parts of the sum of all weights. Not together with countries or devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub weight: Option<u32>,
    /// Where to; as the link's own URL.
    #[schema(
        min_length = 8,
        max_length = 2048,
        pattern = "^[hH][tT][tT][pP][sS]?://",
        example = "https://example.com/de"
    )]
    pub url: String,
}

/// A country's code.
#[derive(ToSchema)]
#[schema(as = Country, value_type = String, pattern = "^[A-Za-z]{2}$", example = "DE")]
pub(super) struct CountrySchema(#[expect(dead_code, reason = "only its schema is used")] String);

/// A kind of device.
#[derive(ToSchema)]
#[schema(as = Device, value_type = String, pattern = "^(desktop|mobile|tablet|other)$", example = "mobile")]
pub(super) struct DeviceSchema(#[expect(dead_code, reason = "only its schema is used")] String);

impl DestinationBody {
    /// All of a link.
    pub(crate) fn all_of(routing: &Routing) -> Vec<Self> {
        let rule = |rule: &Rule| Self {
            countries: rule.countries.iter().map(Country::to_string).collect(),
            devices: rule
                .devices
                .iter()
                .map(|device: &Device| device.as_str().to_owned())
                .collect(),
            weight: None,
            url: rule.to.as_str().to_owned(),
        };
        let share = |share: &Weighted| Self {
            weight: Some(share.weight),
            url: share.to.as_str().to_owned(),
            ..Self::default()
        };
        let rules = routing.rules.iter().map(rule);
        rules.chain(routing.weighted.iter().map(share)).collect()
    }

    /// As it was asked for.
    pub(in crate::http) fn into_new(self) -> NewDestination {
        NewDestination {
            countries: self.countries,
            devices: self.devices,
            weight: self.weight,
            url: self.url,
        }
    }
}

/// Campaign parameters: each that is given replaces the one of its name in the URL's query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Utm)]
pub(crate) struct UtmBody {
    /// `utm_source`: where visitors come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "newsletter")]
    pub source: Option<String>,
    /// `utm_medium`: by what.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "email")]
    pub medium: Option<String>,
    /// `utm_campaign`: in which campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "spring")]
    pub campaign: Option<String>,
    /// `utm_term`: for which search term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// `utm_content`: by which of several like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl UtmBody {
    /// As it was asked for; what is blank is not given.
    pub(super) fn into_asked(self) -> AskedUtm {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        AskedUtm {
            source: given(self.source),
            medium: given(self.medium),
            campaign: given(self.campaign),
            term: given(self.term),
            content: given(self.content),
        }
    }
}
