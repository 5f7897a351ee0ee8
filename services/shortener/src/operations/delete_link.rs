//! Deleting a link.

use identity::Tenant;

use super::{Links, told};
use crate::error::LinkError;
use crate::link::Code;

impl Links {
    /// Deletes a tenant's link; its alias is free from then on, a generated code is never used again. Run it in an owned task.
    pub async fn delete_link(&self, tenant: &Tenant, code: &Code) -> Result<(), LinkError> {
        // Nobody makes the processes forget another tenant's link.
        let Some(found) = self.store.find(tenant, code).await? else {
            if self.store.resolve(code).await?.is_none() {
                // It may be this one's, deleted by a commit that came after its request gave up.
                self.look_again(code).await?;
            }
            return Err(LinkError::NotFound);
        };
        let write = self.destinations.write(*code).await?;
        let deleted = self.store.delete(tenant, code).await;
        // Before the answer, so that whoever has it finds nothing.
        told(write, &deleted).await;
        if deleted? {
            // It may have had a cap before.
            self.slots.forget(tenant, found.link.id).await;
            Ok(())
        } else {
            Err(LinkError::NotFound)
        }
    }
}
