//! What clients send about links.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::parts::{DestinationBody, TagSchema, UtmBody};
use crate::error::LinkError;
use crate::http::parse_moment;
use crate::operations::{AskedUtm, CreateLink, DetailsChange, LinkChange, NewDestination, NewPassword};

/// A password on its way in. It is never written: a request is told from others by the word that it had one.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct PasswordText(pub String);

impl fmt::Debug for PasswordText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordText(..)")
    }
}

impl Serialize for PasswordText {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str("***")
    }
}

/// A link to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
// Fields that go together, and no alias: it may be sent twice.
#[schema(
    as = NewLink,
    example = json!({"url": "https://example.com/a/page", "title": "Spring sale", "tags": ["campaign"], "utm": {"source": "newsletter"}})
)]
pub(crate) struct NewLinkBody {
    /// Where it leads: an absolute http or https URL without credentials that does not lead back to this service. Kept and answered in
    /// its normal form (WHATWG URL).
    #[schema(
        min_length = 8,
        max_length = 2048,
        pattern = "^[hH][tT][tT][pP][sS]?://",
        example = "https://example.com/a/page"
    )]
    pub url: String,
    /// What should stand behind the slash. Neither a reserved word nor of the shape of generated codes (seven letters and digits, a digit
    /// first). Without one a code is generated.
    #[schema(
        min_length = 3,
        max_length = 64,
        pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]*[A-Za-z0-9_]$",
        example = "spring-sale"
    )]
    pub alias: Option<String>,
    /// When it ends; in the future, at most 36,525 days ahead. Not together with `permanent`.
    #[schema(format = DateTime, example = "2027-01-01T00:00:00Z")]
    pub expires_at: Option<String>,
    /// Whether it is followed with 301 instead of 302. Browsers remember a 301, so what is judged on each visit does not go with it.
    #[serde(default)]
    #[schema(default = false)]
    pub permanent: bool,
    /// Words to sort it by. One given twice counts once.
    #[serde(default)]
    #[schema(max_items = 10, value_type = Vec<TagSchema>)]
    pub tags: Vec<String>,
    // What is not given is left out of what a request is recognised by: it says the same as before there were these.
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200, example = "Spring sale")]
    pub title: Option<String>,
    /// What people want to remember about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub notes: Option<String>,
    /// Whether it is put away at once: kept, but not followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    pub archived: bool,
    /// From when on it is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, example = "2026-12-24T18:00:00Z")]
    pub active_from: Option<String>,
    /// Where it leads before `active_from`, from `expires_at` on, and once `max_clicks` are used up. Needs one of the three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 8,
        max_length = 2048,
        pattern = "^[hH][tT][tT][pP][sS]?://",
        example = "https://example.com/over"
    )]
    pub fallback_url: Option<String>,
    /// Most clicks that are followed; never one more, whatever the number of processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, example = 100)]
    pub max_clicks: Option<u64>,
    /// What is asked for before it is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 4, max_length = 128, format = Password)]
    pub password: Option<PasswordText>,
    /// Who is led elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20, required = false)]
    pub destinations: Vec<DestinationBody>,
    /// How long an edge may answer in our place, in seconds. What it answers is not counted, and a change is seen there that much
    /// later. Not together with anything that is judged on each visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub edge_cache_s: Option<u32>,
    /// Campaign parameters to be put into `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utm: Option<UtmBody>,
}

/// What should change about a link; what is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkPatch, example = json!({"title": "Spring sale", "tags": ["campaign"], "expires_at": null}))]
#[expect(
    clippy::option_option,
    reason = "left out, taken away and set are three things"
)]
pub(crate) struct LinkPatchBody {
    /// Where it leads, as when it is made.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        min_length = 8,
        max_length = 2048,
        pattern = "^[hH][tT][tT][pP][sS]?://",
        example = "https://example.com/a/page"
    )]
    pub url: Option<String>,
    /// When it ends, as when it is made; `null` takes the expiry away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-01T00:00:00Z")]
    pub expires_at: Option<Option<String>>,
    /// Whether it is followed with 301 instead of 302.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub permanent: Option<bool>,
    /// All its tags.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_items = 10, value_type = Vec<TagSchema>, required = false)]
    pub tags: Option<Vec<String>>,
    /// What people call it; `null` or nothing takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub title: Option<Option<String>>,
    /// What people want to remember about it; `null` or nothing takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub notes: Option<Option<String>>,
    /// Whether it is put away, or restored.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub archived: Option<bool>,
    /// From when on it is followed; `null` for at once.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub active_from: Option<Option<String>>,
    /// Where it leads out of its time, and past its cap; `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 8, max_length = 2048, pattern = "^[hH][tT][tT][pP][sS]?://")]
    pub fallback_url: Option<Option<String>>,
    /// Most clicks that are followed; `null` for any number.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub max_clicks: Option<Option<u64>>,
    /// A new password; `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 4, max_length = 128, format = Password)]
    pub password: Option<Option<PasswordText>>,
    /// Who is led elsewhere, all of them; an empty list for nobody.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_items = 20, value_type = Vec<DestinationBody>, required = false)]
    pub destinations: Option<Vec<DestinationBody>>,
    /// How long an edge may answer in our place, in seconds; `null` for never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 86_400)]
    pub edge_cache_s: Option<Option<u32>>,
    /// Campaign parameters to be put into the URL that it has then.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub utm: Option<UtmBody>,
}

/// Tells a field that is `null` from one that is left out.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

fn moment(pointer: &str, text: &str) -> Result<u64, LinkError> {
    parse_moment(text).ok_or_else(|| {
        LinkError::field(
            pointer,
            "this is not a moment in RFC 3339, such as 2027-01-01T00:00:00Z",
        )
    })
}

impl NewLinkBody {
    /// What was asked for, in a form that does not depend on spaces, order or spelled-out defaults: repeats of a request are told from
    /// other requests by it.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and flags are always JSON")
    }

    pub(crate) fn into_request(self) -> Result<CreateLink, LinkError> {
        let at =
            |pointer, text: &Option<String>| text.as_deref().map(|text| moment(pointer, text)).transpose();
        Ok(CreateLink {
            expires_at_ms: at("/expires_at", &self.expires_at)?,
            details: DetailsChange {
                title: Some(self.title),
                notes: Some(self.notes),
                archived: Some(self.archived),
                active_from_ms: Some(at("/active_from", &self.active_from)?),
                fallback_url: Some(self.fallback_url),
                max_clicks: Some(self.max_clicks),
                password: self.password.map(clear),
                destinations: Some(wanted(self.destinations)),
                edge_cache_s: Some(self.edge_cache_s),
            },
            url: self.url,
            alias: self.alias,
            permanent: self.permanent,
            tags: self.tags,
            utm: utm(self.utm),
        })
    }
}

impl LinkPatchBody {
    pub(crate) fn into_change(self) -> Result<LinkChange, LinkError> {
        let at = |pointer, wanted: Option<Option<String>>| match wanted {
            Some(Some(text)) => moment(pointer, &text).map(|at_ms| Some(Some(at_ms))),
            other => Ok(other.map(|_| None)),
        };
        Ok(LinkChange {
            url: self.url,
            expires_at_ms: at("/expires_at", self.expires_at)?,
            permanent: self.permanent,
            tags: self.tags,
            utm: utm(self.utm),
            details: DetailsChange {
                title: self.title,
                notes: self.notes,
                archived: self.archived,
                active_from_ms: at("/active_from", self.active_from)?,
                fallback_url: self.fallback_url,
                max_clicks: self.max_clicks,
                password: self.password.map(|password| password.and_then(clear)),
                destinations: self.destinations.map(wanted),
                edge_cache_s: self.edge_cache_s,
            },
            revision: None,
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "set is one of three things")]
fn clear(password: PasswordText) -> Option<NewPassword> {
    Some(NewPassword::Clear(password.0))
}

fn wanted(destinations: Vec<DestinationBody>) -> Vec<NewDestination> {
    destinations.into_iter().map(DestinationBody::into_new).collect()
}

fn utm(utm: Option<UtmBody>) -> AskedUtm {
    utm.map(UtmBody::into_asked).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> Result<LinkPatchBody, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn null_takes_an_expiry_away_and_leaving_it_out_keeps_it() {
        assert_eq!(patch("{}").unwrap().expires_at, None);
        assert_eq!(patch(r#"{"expires_at":null}"#).unwrap().expires_at, Some(None));
        let moment = patch(r#"{"expires_at":"2027-01-01T00:00:00Z"}"#)
            .unwrap()
            .into_change()
            .unwrap();
        assert!(matches!(moment.expires_at_ms, Some(Some(_))));
    }

    #[test]
    fn nothing_else_can_be_null() {
        for json in [
            r#"{"url":null}"#,
            r#"{"permanent":null}"#,
            r#"{"tags":null}"#,
            r#"{"code":"x"}"#,
            r#"{"archived":null}"#,
            r#"{"destinations":null}"#,
            r#"{"utm":null}"#,
        ] {
            assert!(patch(json).is_err(), "{json}");
        }
    }

    #[test]
    fn two_spellings_of_one_request_are_one_request() {
        let one: NewLinkBody = serde_json::from_str(r#"{"url":"https://a.example","tags":[]}"#).unwrap();
        let other: NewLinkBody =
            serde_json::from_str(r#"{ "permanent": false, "alias": null, "url": "https://a.example" }"#)
                .unwrap();
        assert_eq!(one.canonical(), other.canonical());
    }

    #[test]
    fn a_request_without_the_newer_parts_is_told_as_it_was_before_there_were_any() {
        let body: NewLinkBody = serde_json::from_str(r#"{"url":"https://a.example"}"#).unwrap();
        assert_eq!(
            String::from_utf8(body.canonical()).unwrap(),
            r#"{"url":"https://a.example","alias":null,"expires_at":null,"permanent":false,"tags":[]}"#
        );
    }

    #[test]
    fn a_password_is_in_nothing_that_is_kept_of_a_request() {
        let body: NewLinkBody =
            serde_json::from_str(r#"{"url":"https://a.example","password":"sesame"}"#).unwrap();
        let canonical = String::from_utf8(body.canonical()).unwrap();
        assert!(
            canonical.contains("password") && !canonical.contains("sesame"),
            "{canonical}"
        );
        let asked = format!("{body:?} {:?}", body.clone().into_request().unwrap());
        assert!(!asked.contains("sesame"), "{asked}");
    }
}
