//! What goes over the wire.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{App, cursor, parse_moment, show_moment};
use crate::error::LinkError;
use crate::link::{Clicks, CountedLink, Link};
use crate::operations::{CreateLink, LinkChange, ListedLinks};

/// A link to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLink)]
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
    /// Whether it is followed with 301 instead of 302.
    #[serde(default)]
    #[schema(default = false)]
    pub permanent: bool,
    /// Words to sort it by. One given twice counts once.
    #[serde(default)]
    #[schema(max_items = 10, value_type = Vec<TagSchema>)]
    pub tags: Vec<String>,
}

/// A short word without control characters.
#[derive(ToSchema)]
#[schema(as = Tag, value_type = String, min_length = 1, max_length = 50, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$", example = "campaign")]
pub(super) struct TagSchema(#[expect(dead_code, reason = "only its schema is used")] String);

/// What should change about a link; what is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkPatch)]
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
}

/// Tells a field that is `null` from one that is left out.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

/// A link.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkBody {
    /// Its id; never reused.
    #[schema(pattern = "^[0-9]+$", example = "117093590311632896")]
    pub id: String,
    /// What stands behind the slash.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]*[A-Za-z0-9_]$", example = "4kT9xQz")]
    pub code: String,
    /// The address to hand out.
    #[schema(format = "uri", example = "http://127.0.0.1:8080/4kT9xQz")]
    pub short_url: String,
    /// Where it leads, in its normal form.
    #[schema(max_length = 2048, format = "uri", example = "https://example.com/a/page")]
    pub url: String,
    /// Whether it is followed with 301 instead of 302.
    pub permanent: bool,
    /// When it ends, in UTC; `null` if it does not.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// Its tags.
    #[schema(value_type = Vec<TagSchema>)]
    pub tags: Vec<String>,
    /// When it was made, in UTC.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last changed, in UTC.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// How often it was followed; a click is counted within about a second.
    #[schema(minimum = 0)]
    pub clicks: u64,
    /// When it was last followed, in UTC; `null` if it never was.
    #[schema(required, format = DateTime)]
    pub last_click_at: Option<String>,
}

/// A page of links, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkList)]
pub(crate) struct LinkListBody {
    /// The links.
    #[schema(max_items = 100)]
    pub items: Vec<LinkBody>,
    /// Hand it in as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl LinkBody {
    pub(crate) fn of(app: &App, link: &Link, clicks: Clicks) -> Self {
        Self {
            id: link.id.to_string(),
            code: link.code.to_string(),
            short_url: app.short_url(&link.code),
            url: link.target.as_str().to_owned(),
            permanent: link.lifetime.is_permanent(),
            expires_at: link.lifetime.expires_at_ms().map(show_moment),
            tags: link.tags.as_slice().to_vec(),
            created_at: show_moment(link.created_at_ms),
            updated_at: show_moment(link.updated_at_ms),
            clicks: clicks.count,
            last_click_at: clicks.last_at_ms.map(show_moment),
        }
    }

    pub(crate) fn counted(app: &App, counted: &CountedLink) -> Self {
        Self::of(app, &counted.link, counted.clicks)
    }
}

impl LinkListBody {
    pub(crate) fn of(app: &App, listed: &ListedLinks) -> Self {
        Self {
            items: listed
                .links
                .iter()
                .map(|counted| LinkBody::counted(app, counted))
                .collect(),
            next_cursor: listed.next_before.map(cursor::show),
        }
    }
}

fn moment(text: &str) -> Result<u64, LinkError> {
    parse_moment(text).ok_or_else(|| {
        LinkError::field(
            "/expires_at",
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
        Ok(CreateLink {
            expires_at_ms: self.expires_at.as_deref().map(moment).transpose()?,
            url: self.url,
            alias: self.alias,
            permanent: self.permanent,
            tags: self.tags,
        })
    }
}

impl LinkPatchBody {
    pub(crate) fn into_change(self) -> Result<LinkChange, LinkError> {
        let expires_at_ms = match self.expires_at {
            None => None,
            Some(None) => Some(None),
            Some(Some(text)) => Some(Some(moment(&text)?)),
        };
        Ok(LinkChange {
            url: self.url,
            expires_at_ms,
            permanent: self.permanent,
            tags: self.tags,
        })
    }
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
}
