//! Looking at one's own link.

use identity::Tenant;

use super::Links;
use crate::error::LinkError;
use crate::link::{Code, CountedLink};

impl Links {
    /// A tenant's link with its counts, straight from the store: what was acknowledged is seen.
    pub async fn find_link(&self, tenant: &Tenant, code: &Code) -> Result<CountedLink, LinkError> {
        let found = self.store.find(tenant, code).await?;
        self.counted_one(tenant, found.ok_or(LinkError::NotFound)?).await
    }
}
