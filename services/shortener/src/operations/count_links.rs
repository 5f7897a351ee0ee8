//! How often links were followed: what older versions counted, and what is in the statistics.

use std::collections::HashMap;

use identity::Tenant;

use super::Links;
use crate::error::LinkError;
use crate::link::CountedLink;
use crate::statistics::{Page, Totals};
use crate::store::statistics::Subject;

impl Links {
    /// Adds the statistics' totals to links of a tenant as the store of links counts them.
    pub(super) async fn counted(
        &self,
        tenant: &Tenant,
        mut links: Vec<CountedLink>,
    ) -> Result<Vec<CountedLink>, LinkError> {
        if links.is_empty() {
            return Ok(links);
        }
        let subjects: Vec<Subject> = links
            .iter()
            .map(|counted| Subject::Link(counted.link.id))
            .collect();
        let mut totals: HashMap<Subject, Totals> = HashMap::new();
        for stored in self.statistics.totals(tenant, &subjects).await? {
            let page = Page::from_stored(&stored)?;
            totals.entry(stored.key.subject).or_default().add(&page);
        }
        for (counted, subject) in links.iter_mut().zip(subjects) {
            let Some(totals) = totals.get(&subject) else {
                continue;
            };
            let clicks = &mut counted.clicks;
            clicks.count = clicks.count.saturating_add(totals.clicks);
            clicks.last_at_ms = clicks.last_at_ms.max(totals.last_at_ms);
        }
        Ok(links)
    }

    /// [`counted`](Self::counted) for one link.
    pub(super) async fn counted_one(
        &self,
        tenant: &Tenant,
        link: CountedLink,
    ) -> Result<CountedLink, LinkError> {
        let mut counted = self.counted(tenant, vec![link]).await?;
        Ok(counted.swap_remove(0))
    }
}
