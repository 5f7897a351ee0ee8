//! Finding what was posted, and posting its opposite.

use idempotency::Fingerprint;
use identity::Tenant;
use ids::Id;

use super::{Asked, Books, fields};
use crate::error::LedgerError;
use crate::ledger::{Action, CommandOutcome, Journal};

impl Books {
    /// One row of the journal.
    pub(crate) async fn journal(&self, tenant: &Tenant, id: Id) -> Result<Journal, LedgerError> {
        let found = self.ledger.journal(tenant, id).await?;
        found.ok_or(LedgerError::NotFound("transfer"))
    }

    /// Posts the opposite of a row: all that is left of it, or an amount.
    pub(crate) async fn reverse_transfer(
        &self,
        asked: Asked,
        journal_id: Id,
        amount: Option<&str>,
    ) -> Result<CommandOutcome, LedgerError> {
        let asked = asked.needs_key()?;
        let checked = match amount {
            Some(text) => Some(fields::amount(&self.rules, text, "/amount")?),
            None => None,
        };
        self.is_free(asked.tenant(), journal_id).await?;
        let route = format!("/v1/transfers/{journal_id}/reversal");
        let fingerprint = Fingerprint::of("POST", &route, amount.unwrap_or_default().as_bytes());
        let action = Action::Reverse {
            journal_id,
            amount: checked,
        };
        self.on_row(&asked, fingerprint, action).await
    }
}
