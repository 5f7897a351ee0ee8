//! Which links of a list are wanted.

use identity::{Tenant, User};
use ids::Id;

use super::{Links, ListedLinks};
use crate::error::LinkError;
use crate::link::{CountedLink, Link, TargetUrl};

/// Longest text that is looked for, in characters.
const Q_CHARS_MAX: usize = 200;
/// Links that are read at a time when not all of them are wanted.
const SCAN_PAGE: u32 = 200;

/// What links must have to be listed; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFilter {
    /// This very tag.
    pub tag: Option<String>,
    /// This text in the code, a URL, the title, the notes or a tag, in capitals or not.
    pub q: Option<String>,
    /// This owner.
    pub owner: Option<User>,
    /// Being put away, or not.
    pub archived: Option<bool>,
}

impl LinkFilter {
    /// Reads what a client asked for; what is empty is not asked for.
    pub fn parse(
        tag: Option<String>,
        q: Option<String>,
        owner: Option<&str>,
        archived: Option<bool>,
    ) -> Result<Self, LinkError> {
        let given = |text: &String| !text.trim().is_empty();
        let q = q.filter(given).map(|q| q.trim().to_lowercase());
        if q.as_ref().is_some_and(|q| q.chars().count() > Q_CHARS_MAX) {
            let detail = format!("at most {Q_CHARS_MAX} characters");
            return Err(LinkError::Parameter { name: "q", detail });
        }
        let owner = owner.filter(|owner| !owner.is_empty()).map(User::parse);
        let owner = owner.transpose().map_err(|error| LinkError::Parameter {
            name: "owner",
            detail: error.to_string(),
        })?;
        Ok(Self {
            tag: tag.filter(given).map(|tag| tag.trim().to_owned()),
            q,
            owner,
            archived,
        })
    }

    /// Whether every link is wanted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a link is wanted.
    pub fn wants(&self, link: &Link) -> bool {
        let Self {
            tag,
            q,
            owner,
            archived,
        } = self;
        archived.is_none_or(|archived| archived == link.details.archived)
            && (owner.is_none() || *owner == link.details.owner)
            && tag.as_ref().is_none_or(|tag| link.tags.as_slice().contains(tag))
            && q.as_ref().is_none_or(|q| has_text(link, q))
    }
}

fn has_text(link: &Link, q: &str) -> bool {
    let details = &link.details;
    let routed = details.routing.rules.iter().map(|rule| &rule.to);
    let routed = routed.chain(details.routing.weighted.iter().map(|weighted| &weighted.to));
    let urls = std::iter::once(&link.target)
        .chain(&details.fallback)
        .chain(routed);
    let texts = [link.code.as_str()]
        .into_iter()
        .chain(urls.map(TargetUrl::as_str));
    let written = details
        .title
        .iter()
        .chain(&details.notes)
        .chain(link.tags.as_slice());
    texts
        .chain(written.map(String::as_str))
        .any(|text| text.to_lowercase().contains(q))
}

impl Links {
    /// A tenant's links older than `before` that a filter wants, newest first. So many are looked at at most that a page may have fewer
    /// than `limit`, or none, and others follow all the same.
    pub async fn search_links(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        limit: Option<u32>,
        filter: &LinkFilter,
    ) -> Result<ListedLinks, LinkError> {
        if filter.is_empty() {
            return self.list_links(tenant, before, limit).await;
        }
        let limit = self.page_limit(limit)?;
        self.part_of_links(tenant, before, limit, filter).await
    }

    /// The same for any `limit`.
    pub(crate) async fn part_of_links(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        limit: u32,
        filter: &LinkFilter,
    ) -> Result<ListedLinks, LinkError> {
        let found = self.scan_links(tenant, before, limit, filter).await?;
        let links = self.counted(tenant, found.links).await?;
        Ok(ListedLinks { links, ..found })
    }

    /// The same, without the clicks that statistics know of.
    pub(super) async fn scan_links(
        &self,
        tenant: &Tenant,
        mut before: Option<Id>,
        limit: u32,
        filter: &LinkFilter,
    ) -> Result<ListedLinks, LinkError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut left = self.limits.bulk.scan_links_max.max(1);
        let mut links: Vec<CountedLink> = Vec::new();
        let next_before = loop {
            let asked = SCAN_PAGE.min(left);
            let page = self.store.list(tenant, before, asked).await?;
            let is_last = page.len() < usize::try_from(asked).unwrap_or(usize::MAX);
            let mut page = page.into_iter();
            for counted in page.by_ref() {
                before = Some(counted.link.id);
                left -= 1;
                if filter.wants(&counted.link) {
                    links.push(counted);
                }
                if links.len() == wanted {
                    break;
                }
            }
            if is_last && page.len() == 0 {
                break None;
            }
            if links.len() == wanted || left == 0 {
                break before;
            }
        };
        Ok(ListedLinks { links, next_before })
    }
}
