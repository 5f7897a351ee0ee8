//! Opening an account.

use idempotency::{Fingerprint, Outcome};
use serde::Serialize;

use super::claims::claim_of_id;
use super::details::metadata;
use super::{Asked, Books, Metadata, fields};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Account, AccountKind, Limits, NewAccount, PARTS_MAX};
use crate::store::StoreError;

/// How often an account of unknown outcome is asked about again.
const TRIES_MAX: u32 = 4;

/// An account to be opened, as asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CreateAccount {
    pub id: Option<String>,
    pub currency: String,
    pub kind: AccountKind,
    pub name: Option<String>,
    pub not_below_zero: bool,
    pub not_above_zero: bool,
    pub parts: u16,
    pub metadata: Metadata,
}

impl Books {
    /// Opens an account with empty balances.
    pub(crate) async fn create_account(
        &self,
        asked: &Asked,
        new: &CreateAccount,
    ) -> Result<Outcome<Account>, LedgerError> {
        let currency = fields::currency(&self.rules, &new.currency, "/currency")?;
        if let Some(name) = &new.name {
            fields::text(name, self.rules.books.name_chars_max, "/name")?;
        }
        if !(1..=PARTS_MAX).contains(&new.parts) {
            return Err(Wrong::at("/parts", Invalid::Parts { max: PARTS_MAX }).into());
        }
        let limits = Limits {
            not_below_zero: new.not_below_zero,
            not_above_zero: new.not_above_zero,
        };
        if new.parts > 1 && limits != Limits::default() {
            return Err(Wrong::at("/parts", Invalid::PartsWithLimits).into());
        }
        let now_ms = self.clock.unix_ms();
        let keep_until_ms = now_ms + self.rules.record_ttl_ms;
        let id = self.id_or_next(new.id.as_deref())?;
        let metadata = metadata(&self.rules, &new.metadata)?;
        let body = serde_json::to_vec(new).expect("texts and numbers are always JSON");
        let claim = asked.claim(Fingerprint::of("POST", "/v1/accounts", &body), keep_until_ms);
        let claimed_by_id = claim.is_none() && new.id.is_none();
        let account = NewAccount {
            account: Account {
                tenant: asked.tenant().clone(),
                id,
                currency,
                kind: new.kind,
                limits,
                parts: new.parts,
                name: new.name.clone(),
                metadata,
                created_at_ms: now_ms,
                closed_at_ms: None,
            },
            // A fresh id is nobody else's, so that the account can be asked about again under it.
            claim: claim.or_else(|| claimed_by_id.then(|| claim_of_id(asked.tenant(), id, keep_until_ms))),
        };
        Ok(self.settle_account(&account, now_ms).await??)
    }

    /// Asks again while the outcome is unknown and there is a record that tells.
    async fn settle_account(
        &self,
        account: &NewAccount,
        now_ms: u64,
    ) -> Result<Result<Outcome<Account>, crate::ledger::Refusal>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.ledger.create_account(account, now_ms).await {
                Err(error) if error.is_unknown() && account.claim.is_some() && tries < TRIES_MAX => {
                    tracing::warn!(%error, "whether an account was made is unknown: asking again");
                }
                settled => return settled,
            }
        }
    }
}
