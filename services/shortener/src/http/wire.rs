//! What goes over the wire.

mod asked;
mod parts;

pub(crate) use asked::{LinkPatchBody, NewLinkBody, PasswordText};
pub(crate) use parts::{DestinationBody, UtmBody};

use serde::Serialize;
use utoipa::ToSchema;

use super::{App, cursor, show_moment};
use crate::link::{Clicks, CountedLink, Link};
use crate::operations::ListedLinks;
use parts::TagSchema;

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
    /// Who made it, or was given it; `null` for links of before owners were kept.
    #[schema(required)]
    pub owner: Option<String>,
    /// What people call it.
    #[schema(required)]
    pub title: Option<String>,
    /// What people wrote about it.
    #[schema(required)]
    pub notes: Option<String>,
    /// Whether it is put away: kept, but not followed.
    pub archived: bool,
    /// From when on it is followed, in UTC; `null` from the beginning.
    #[schema(required, format = DateTime)]
    pub active_from: Option<String>,
    /// Where it leads out of its time, and once its clicks are used up.
    #[schema(required, max_length = 2048, format = "uri")]
    pub fallback_url: Option<String>,
    /// Most clicks that are followed.
    #[schema(required, minimum = 1)]
    pub max_clicks: Option<u64>,
    /// Whether it asks for a password, which is never shown.
    pub has_password: bool,
    /// Who is led elsewhere: first those by country and device, in their order, then those by weight.
    pub destinations: Vec<DestinationBody>,
    /// How long an edge may answer in our place, in seconds; what it answers is not counted.
    #[schema(required, minimum = 1)]
    pub edge_cache_s: Option<u32>,
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
        let details = &link.details;
        Self {
            id: link.id.to_string(),
            code: link.code.to_string(),
            short_url: app.short_url(&link.code),
            url: link.target.as_str().to_owned(),
            permanent: link.lifetime.is_permanent(),
            expires_at: link.lifetime.expires_at_ms().map(show_moment),
            tags: link.tags.as_slice().to_vec(),
            owner: details.owner.as_ref().map(|owner| owner.as_str().to_owned()),
            title: details.title.clone(),
            notes: details.notes.clone(),
            archived: details.archived,
            active_from: details.active_from_ms.map(show_moment),
            fallback_url: details.fallback.as_ref().map(|url| url.as_str().to_owned()),
            max_clicks: details.click_cap,
            has_password: details.password.is_some(),
            destinations: DestinationBody::all_of(&details.routing),
            edge_cache_s: details.edge_cache_s,
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
