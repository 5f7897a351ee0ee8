//! Changing what may change of an account: its name, its metadata, and that it is closed.

use identity::Tenant;
use ids::Id;

use super::details::metadata;
use super::{Books, Metadata, fields};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::Account;
use crate::store::ledger::AccountChange;

/// A change, as asked for.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::option_option,
    reason = "left out, taken away and set are three things"
)]
pub(crate) struct ChangeAccount {
    pub name: Option<Option<String>>,
    pub metadata: Option<Metadata>,
    pub closed: Option<bool>,
}

impl Books {
    /// Changes an account. The same change twice is one change.
    pub(crate) async fn change_account(
        &self,
        tenant: &Tenant,
        id: Id,
        asked: ChangeAccount,
    ) -> Result<Account, LedgerError> {
        if let Some(Some(name)) = &asked.name {
            fields::text(name, self.rules.books.name_chars_max, "/name")?;
        }
        let metadata = match &asked.metadata {
            Some(asked) => Some(metadata(&self.rules, asked)?),
            None => None,
        };
        if asked.closed == Some(false) {
            return Err(Wrong::at("/closed", Invalid::Reopen).into());
        }
        let change = AccountChange {
            name: asked.name,
            metadata,
            close: asked.closed.unwrap_or_default(),
        };
        let now_ms = self.clock.unix_ms();
        Ok(self.ledger.change_account(tenant, id, &change, now_ms).await??)
    }
}
