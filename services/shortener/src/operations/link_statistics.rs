//! What became of links: statistics of one, of all of a tenant's, and which are followed most.

use std::ops::RangeInclusive;
use std::pin::pin;

use futures::{StreamExt as _, stream};
use identity::Tenant;

use super::Links;
use crate::error::LinkError;
use crate::link::{Code, Link};
use crate::statistics::{Range, Ranking, Report, Reporting, TopLink, TopLinks, recent_days};
use crate::store::StoreError;
use crate::store::statistics::{Day, StoredPage, Subject};

/// Days whose pages are read at once: four lanes' pages of 64 KiB each are 2 MiB.
const DAYS_AT_ONCE: u32 = 8;

impl Links {
    /// A tenant's link and its statistics.
    pub async fn link_report(
        &self,
        tenant: &Tenant,
        code: &Code,
        range: Range,
    ) -> Result<(Link, Report), LinkError> {
        let found = self.store.find(tenant, code).await?;
        let link = found.ok_or(LinkError::NotFound)?.link;
        let report = self.report(tenant, Subject::Link(link.id), range).await?;
        Ok((link, report))
    }

    /// Statistics of all links of a tenant together, also of those that are deleted.
    pub async fn tenant_report(&self, tenant: &Tenant, range: Range) -> Result<Report, LinkError> {
        self.report(tenant, Subject::Tenant, range).await
    }

    /// The tenant's links that were followed most on the days of the range, and are there still. Pages know no deletions: each link is
    /// asked for until enough are found, at most as many as a page ranks.
    pub async fn top_links(
        &self,
        tenant: &Tenant,
        range: Range,
        limit: usize,
    ) -> Result<TopLinks, LinkError> {
        let mut ranking = Ranking::default();
        self.each_page(tenant, Subject::Tenant, range.days(), |page| ranking.add(page))
            .await?;
        let TopLinks {
            links: ranked,
            error_max,
            mut missing_max,
        } = ranking.done(usize::MAX);
        let mut each = Vec::with_capacity(ranked.len());
        for top in ranked {
            each.push(self.if_there(tenant, top));
        }
        let mut each = pin!(stream::iter(each).buffered(self.limits.bulk.at_once_max.max(1)));
        let mut links = Vec::new();
        while let Some(found) = each.next().await {
            let Some(top) = found? else { continue };
            if links.len() == limit {
                missing_max = missing_max.max(top.clicks);
                break;
            }
            links.push(top);
        }
        Ok(TopLinks {
            links,
            error_max,
            missing_max,
        })
    }

    /// A link of a ranking, unless it was deleted; its code may be another link's by now.
    async fn if_there(&self, tenant: &Tenant, top: TopLink) -> Result<Option<TopLink>, LinkError> {
        let Some(code) = Code::parse(&top.code) else {
            return Ok(None);
        };
        let now = self.store.resolve(&code).await?;
        let same = now.is_some_and(|now| now.id == top.link && now.tenant == *tenant);
        Ok(same.then_some(top))
    }

    async fn report(&self, tenant: &Tenant, subject: Subject, range: Range) -> Result<Report, LinkError> {
        let now_ms = self.clock.unix_ms();
        let mut report = Reporting::new(range, now_ms);
        // A page that is handed in twice counts once.
        for days in [range.days(), recent_days(now_ms)] {
            self.each_page(tenant, subject, days, |page| report.add(page))
                .await?;
        }
        Ok(report.done())
    }

    async fn each_page(
        &self,
        tenant: &Tenant,
        subject: Subject,
        days: RangeInclusive<Day>,
        mut each: impl FnMut(&StoredPage) -> Result<(), StoreError> + Send,
    ) -> Result<(), LinkError> {
        let (mut first, last) = days.into_inner();
        while first <= last {
            let until = last.min(first + (DAYS_AT_ONCE - 1));
            for page in self.statistics.read(tenant, subject, first..=until).await? {
                each(&page)?;
            }
            first = until + 1;
        }
        Ok(())
    }
}
