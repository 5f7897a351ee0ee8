//! What an account holds, now or as of a moment.

use identity::Tenant;
use ids::Id;

use super::Books;
use crate::error::LedgerError;
use crate::ledger::{Account, Balance};

/// A balance, and whose.
#[derive(Clone, Debug)]
pub(crate) struct ShownBalance {
    /// Whose.
    pub account: Account,
    /// How much.
    pub balance: Balance,
    /// Whether it is that of a moment that was asked for: what was held then is not remembered.
    pub is_past: bool,
}

impl Books {
    /// The balance now, or as of a moment that has been: that one will never be another.
    pub(crate) async fn read_balance(
        &self,
        tenant: &Tenant,
        id: Id,
        as_of_ms: Option<u64>,
    ) -> Result<ShownBalance, LedgerError> {
        let account = self.account(tenant, id).await?;
        let balance = if let Some(at_ms) = as_of_ms {
            let at_ms = self.sealed(at_ms, "as_of").await?;
            self.balance_at(&account, at_ms).await?
        } else {
            let parts = self.ledger.balance(tenant, id).await?;
            // Not before its last entry, whose time is the ledger's and may be ahead of this clock.
            let last_ms = parts.iter().map(|part| part.last_at_ms).max().unwrap_or_default();
            Balance::of(account.kind, &parts, self.clock.unix_ms().max(last_ms))
        };
        Ok(ShownBalance {
            account,
            balance,
            is_past: as_of_ms.is_some(),
        })
    }

    /// As of a moment that is sealed.
    pub(super) async fn balance_at(&self, account: &Account, at_ms: u64) -> Result<Balance, LedgerError> {
        let parts = self
            .ledger
            .balance_as_of(&account.tenant, account.id, at_ms)
            .await?;
        Ok(Balance::of(account.kind, &parts, at_ms))
    }
}
