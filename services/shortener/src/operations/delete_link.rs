//! Deleting a link.

use identity::Tenant;

use super::Links;
use crate::error::LinkError;
use crate::link::Code;

impl Links {
    /// Deletes a tenant's link; its alias is free from then on, a generated code is never used again. Run it in an owned task.
    pub async fn delete_link(&self, tenant: &Tenant, code: &Code) -> Result<(), LinkError> {
        let deleted = self.store.delete(tenant, code).await;
        // Before the answer, so that whoever has it finds nothing; also when the outcome is unknown.
        self.destinations.invalidate(code);
        if deleted? {
            Ok(())
        } else {
            Err(LinkError::NotFound)
        }
    }
}
