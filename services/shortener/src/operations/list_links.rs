//! Paging through one's links.

use identity::Tenant;
use ids::Id;

use super::Links;
use crate::error::LinkError;
use crate::link::CountedLink;

/// A page of links.
#[derive(Clone, Debug)]
pub struct ListedLinks {
    /// The links, newest first.
    pub links: Vec<CountedLink>,
    /// Where the next page begins; `None` on the last.
    pub next_before: Option<Id>,
}

impl Links {
    /// A tenant's links older than `before`, newest first.
    pub async fn list_links(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        limit: Option<u32>,
    ) -> Result<ListedLinks, LinkError> {
        let limit = self.page_limit(limit)?;
        // One more than asked for tells whether another page follows.
        let mut links = self.store.list(tenant, before, limit + 1).await?;
        let asked = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = links.len() > asked;
        links.truncate(asked);
        let next_before = links.last().filter(|_| more).map(|last| last.link.id);
        let links = self.counted(tenant, links).await?;
        Ok(ListedLinks { links, next_before })
    }

    /// How many links a page has, given what was asked for.
    pub(super) fn page_limit(&self, limit: Option<u32>) -> Result<u32, LinkError> {
        let most = self.limits.list_limit_max;
        let limit = limit.unwrap_or(self.limits.list_limit_default.min(most));
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("must be between 1 and {most}");
        Err(LinkError::Parameter {
            name: "limit",
            detail,
        })
    }
}
