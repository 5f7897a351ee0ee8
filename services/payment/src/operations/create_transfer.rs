//! Moving money from one account to another.

use idempotency::Fingerprint;
use serde::Serialize;

use super::{Asked, Books, Details, fields};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{
    Action, Claim, Command, CommandOutcome, Direction, JournalKind, NewTransaction, Posting,
};

/// A transfer to be made, as asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CreateTransfer {
    pub id: Option<String>,
    pub debit_account_id: String,
    pub credit_account_id: String,
    pub amount: String,
    pub currency: String,
    #[serde(flatten)]
    pub details: Details,
}

impl CreateTransfer {
    /// What tells it from other requests under the same key.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let body = serde_json::to_vec(self).expect("texts are always JSON");
        Fingerprint::of("POST", "/v1/transfers", &body)
    }
}

impl Books {
    /// Posts a transfer.
    pub(crate) async fn create_transfer(
        &self,
        asked: Asked,
        new: &CreateTransfer,
    ) -> Result<CommandOutcome, LedgerError> {
        let asked = asked.needs_key()?;
        let claim = asked.claim(new.fingerprint(), self.keep_until_ms());
        let command = self.transfer(&asked, new, claim)?;
        self.commits.command(command).await
    }

    /// Until when a record that is made now is kept.
    pub(super) fn keep_until_ms(&self) -> u64 {
        self.clock.unix_ms() + self.rules.record_ttl_ms
    }

    /// The command that makes it, once judged.
    pub(super) fn transfer(
        &self,
        asked: &Asked,
        new: &CreateTransfer,
        claim: Option<Claim>,
    ) -> Result<Command, LedgerError> {
        let debited = fields::id(&new.debit_account_id, "/debit_account_id")?;
        let credited = fields::id(&new.credit_account_id, "/credit_account_id")?;
        if debited == credited {
            return Err(Wrong::at("/credit_account_id", Invalid::SameAccount).into());
        }
        let amount = fields::amount(&self.rules, &new.amount, "/amount")?;
        let currency = fields::currency(&self.rules, &new.currency, "/currency")?;
        let details = new.details.checked(&self.rules)?;
        let posting = |account_id, direction| Posting {
            account_id,
            direction,
            amount,
            currency,
        };
        Ok(Command {
            tenant: asked.tenant().clone(),
            id: self.id_or_next(new.id.as_deref())?,
            claim,
            details,
            action: Action::Transact(NewTransaction {
                kind: JournalKind::Transfer,
                postings: vec![
                    posting(debited, Direction::Debit),
                    posting(credited, Direction::Credit),
                ],
            }),
        })
    }
}
