//! Handing links over from one user of a tenant to another.

use futures::{StreamExt as _, stream};
use identity::{Tenant, User};
use ids::Id;

use super::{LinkFilter, Links};
use crate::error::LinkError;
use crate::link::{Code, Link};

/// How often a change is made again over what others changed meanwhile.
const ATTEMPTS_MAX: u32 = 8;

/// From whom to whom.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Whose links; nobody's, such as those of before owners were kept, if there is none.
    pub from: Option<User>,
    /// Whose they become.
    pub to: User,
}

/// What became of some links, and where the next ones begin, if there are more.
#[derive(Debug)]
pub struct Transferred {
    /// Each link by its code.
    pub links: Vec<(Code, Result<Link, LinkError>)>,
    /// Older links than this one were not looked at yet.
    pub next_before: Option<Id>,
}

impl Links {
    /// Hands over links by their codes, each with an outcome of its own. Run it in an owned task.
    pub async fn transfer_links(
        &self,
        tenant: &Tenant,
        codes: Vec<Code>,
        transfer: &Transfer,
    ) -> Transferred {
        let mut each = Vec::with_capacity(codes.len());
        for code in codes {
            each.push(async move { (code, self.transfer_link(tenant, &code, transfer).await) });
        }
        let each = stream::iter(each).buffered(self.limits.bulk.at_once_max.max(1));
        Transferred {
            links: each.collect().await,
            next_before: None,
        }
    }

    /// Hands over a user's links that are older than `before`, some at a time. Run it in an owned task.
    pub async fn transfer_all(
        &self,
        tenant: &Tenant,
        before: Option<Id>,
        transfer: &Transfer,
    ) -> Result<Transferred, LinkError> {
        let theirs = LinkFilter {
            owner: transfer.from.clone(),
            ..LinkFilter::default()
        };
        let limit = u32::try_from(self.limits.bulk.rows_max).unwrap_or(u32::MAX);
        let found = self.scan_links(tenant, before, limit, &theirs).await?;
        let links = found.links.iter().map(|counted| &counted.link);
        // A filter without an owner wants everybody's.
        let codes = links.filter(|link| link.details.owner == transfer.from);
        let codes = codes.map(|link| link.code).collect();
        Ok(Transferred {
            next_before: found.next_before,
            ..self.transfer_links(tenant, codes, transfer).await
        })
    }

    /// Redirects do not depend on the owner, so nobody has to forget what he remembers.
    async fn transfer_link(
        &self,
        tenant: &Tenant,
        code: &Code,
        transfer: &Transfer,
    ) -> Result<Link, LinkError> {
        for _ in 0..ATTEMPTS_MAX {
            let current = self
                .store
                .find(tenant, code)
                .await?
                .ok_or(LinkError::NotFound)?
                .link;
            if current.details.owner.as_ref() == Some(&transfer.to) {
                return Ok(current);
            }
            if current.details.owner != transfer.from {
                return Err(LinkError::OwnerDiffers);
            }
            let mut link = Link {
                updated_at_ms: self.clock.unix_ms().max(current.updated_at_ms),
                revision: current.revision + 1,
                ..current
            };
            link.details.owner = Some(transfer.to.clone());
            if self.store.replace(&link).await? {
                return Ok(link);
            }
        }
        Err(LinkError::Contended)
    }
}
