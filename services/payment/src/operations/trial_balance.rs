//! Whether the books balance, and where their chain stands.

use identity::Tenant;

use super::Books;
use crate::error::LedgerError;
use crate::ledger::{ChainHead, TrialBalanceLine};

impl Books {
    /// All accounts of a tenant by currency and kind, now or as of a moment that has been; and of which moment that is.
    pub(crate) async fn trial_balance(
        &self,
        tenant: &Tenant,
        as_of_ms: Option<u64>,
    ) -> Result<(Vec<TrialBalanceLine>, u64), LedgerError> {
        let as_of_ms = match as_of_ms {
            Some(at_ms) => Some(self.sealed(at_ms, "as_of").await?),
            None => None,
        };
        let lines = self.ledger.trial_balance(tenant, as_of_ms).await?;
        Ok((lines, as_of_ms.unwrap_or_else(|| self.clock.unix_ms())))
    }

    /// The newest link of each of the chains that all tenants share.
    pub(crate) async fn chain_heads(&self) -> Result<Vec<ChainHead>, LedgerError> {
        Ok(self.ledger.chain_heads().await?)
    }
}
