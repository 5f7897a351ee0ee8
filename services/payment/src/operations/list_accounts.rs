//! Finding accounts.

use identity::Tenant;
use ids::Id;

use super::{Books, cut};
use crate::error::LedgerError;
use crate::ledger::Account;
use crate::store::ledger::AccountFilter;

/// A page of accounts.
#[derive(Clone, Debug)]
pub(crate) struct ListedAccounts {
    /// By id.
    pub accounts: Vec<Account>,
    /// After which the next page begins; `None` on the last.
    pub next_after: Option<Id>,
}

impl Books {
    /// One account.
    pub(crate) async fn account(&self, tenant: &Tenant, id: Id) -> Result<Account, LedgerError> {
        let found = self.ledger.account(tenant, id).await?;
        found.ok_or(LedgerError::NotFound("account"))
    }

    /// A tenant's accounts by id.
    pub(crate) async fn list_accounts(
        &self,
        tenant: &Tenant,
        filter: &AccountFilter,
        after: Option<Id>,
        limit: Option<u32>,
    ) -> Result<ListedAccounts, LedgerError> {
        let limit = self.page_limit(limit)?;
        // One more than asked for tells whether another page follows.
        let found = self.ledger.accounts(tenant, filter, after, limit + 1).await?;
        let (accounts, next_after) = cut(found, limit, |account| account.id);
        Ok(ListedAccounts { accounts, next_after })
    }
}
