//! Deleting a link.

use identity::Tenant;

use super::{Links, told};
use crate::error::LinkError;
use crate::link::Code;

impl Links {
    /// Deletes a tenant's link; its alias is free from then on, a generated code is never used again. Run it in an owned task.
    pub async fn delete_link(&self, tenant: &Tenant, code: &Code) -> Result<(), LinkError> {
        // Nobody makes the processes forget another tenant's link.
        self.store.find(tenant, code).await?.ok_or(LinkError::NotFound)?;
        let write = self.destinations.write(*code).await?;
        let deleted = self.store.delete(tenant, code).await;
        // Before the answer, so that whoever has it finds nothing; also when the outcome is unknown.
        told(write, &deleted).await;
        if deleted? {
            Ok(())
        } else {
            Err(LinkError::NotFound)
        }
    }
}
