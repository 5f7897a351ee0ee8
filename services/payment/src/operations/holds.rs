//! Setting money aside, and what becomes of it.

use idempotency::Fingerprint;
use identity::Tenant;
use ids::Id;
use serde::Serialize;

use super::{Asked, Books, Details, cut, fields};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Action, Command, CommandOutcome, Hold, NewHold};

/// A hold to be placed, as asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PlaceHold {
    pub id: Option<String>,
    pub debit_account_id: String,
    pub credit_account_id: String,
    pub amount: String,
    pub currency: String,
    pub expires_in_s: Option<u64>,
    #[serde(flatten)]
    pub details: Details,
}

/// How much of a hold is to move, as asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CaptureHold {
    pub amount: Option<String>,
    pub last: bool,
}

impl Books {
    /// Sets money aside.
    pub(crate) async fn place_hold(
        &self,
        asked: Asked,
        new: &PlaceHold,
    ) -> Result<CommandOutcome, LedgerError> {
        let asked = asked.needs_key()?;
        let debit_account_id = fields::id(&new.debit_account_id, "/debit_account_id")?;
        let credit_account_id = fields::id(&new.credit_account_id, "/credit_account_id")?;
        if debit_account_id == credit_account_id {
            return Err(Wrong::at("/credit_account_id", Invalid::SameAccount).into());
        }
        let max_s = self.rules.hold_max_s;
        let lasts_s = new.expires_in_s.unwrap_or(self.rules.hold_default_s);
        if !(1..=max_s).contains(&lasts_s) {
            return Err(Wrong::at("/expires_in_s", Invalid::Expiry { max_s }).into());
        }
        let hold = NewHold {
            debit_account_id,
            credit_account_id,
            amount: fields::amount(&self.rules, &new.amount, "/amount")?,
            currency: fields::currency(&self.rules, &new.currency, "/currency")?,
            expires_at_ms: self.clock.unix_ms() + lasts_s * 1_000,
        };
        let body = serde_json::to_vec(new).expect("texts and numbers are always JSON");
        let command = Command {
            tenant: asked.tenant().clone(),
            id: self.id_or_next(new.id.as_deref())?,
            claim: asked.claim(Fingerprint::of("POST", "/v1/holds", &body), self.keep_until_ms()),
            details: new.details.checked(&self.rules)?,
            action: Action::Hold(hold),
        };
        self.commits.command(command).await
    }

    /// Refused where a payment's saga placed or posted the row. What a row is never changes, so this may be looked at before.
    pub(super) async fn is_free(&self, tenant: &Tenant, id: Id) -> Result<(), LedgerError> {
        let row = self.ledger.journal(tenant, id).await?;
        match row.and_then(|row| Details::payment(row.told())) {
            Some(payment_id) => Err(LedgerError::BelongsToPayment { payment_id }),
            None => Ok(()),
        }
    }

    /// Moves what was held, or a part of it.
    pub(crate) async fn capture_hold(
        &self,
        asked: Asked,
        hold_id: Id,
        capture: &CaptureHold,
    ) -> Result<CommandOutcome, LedgerError> {
        let asked = asked.needs_key()?;
        let amount = match &capture.amount {
            Some(text) => Some(fields::amount(&self.rules, text, "/amount")?),
            None => None,
        };
        self.is_free(asked.tenant(), hold_id).await?;
        let body = serde_json::to_vec(capture).expect("texts are always JSON");
        let route = format!("/v1/holds/{hold_id}/capture");
        let action = Action::Capture {
            hold_id,
            amount,
            last: capture.last,
        };
        self.on_row(&asked, Fingerprint::of("POST", &route, &body), action)
            .await
    }

    /// Lets go of a hold. No money moves, so a key is not needed.
    pub(crate) async fn void_hold(&self, asked: &Asked, hold_id: Id) -> Result<CommandOutcome, LedgerError> {
        self.is_free(asked.tenant(), hold_id).await?;
        let route = format!("/v1/holds/{hold_id}/void");
        let fingerprint = Fingerprint::of("POST", &route, b"");
        self.on_row(asked, fingerprint, Action::Void { hold_id }).await
    }

    /// A command about a row there is: its own row gets a fresh id.
    pub(super) async fn on_row(
        &self,
        asked: &Asked,
        fingerprint: Fingerprint,
        action: Action,
    ) -> Result<CommandOutcome, LedgerError> {
        let command = Command {
            tenant: asked.tenant().clone(),
            id: self.ids.next()?,
            claim: asked.claim(fingerprint, self.keep_until_ms()),
            details: "{}".to_owned(),
            action,
        };
        self.commits.command(command).await
    }

    /// One hold.
    pub(crate) async fn hold(&self, tenant: &Tenant, id: Id) -> Result<Hold, LedgerError> {
        let found = self.ledger.hold(tenant, id).await?;
        found.ok_or(LedgerError::NotFound("hold"))
    }

    /// Holds by id, and after which the next page begins.
    pub(crate) async fn list_holds(
        &self,
        tenant: &Tenant,
        account: Option<Id>,
        after: Option<Id>,
        limit: Option<u32>,
    ) -> Result<(Vec<Hold>, Option<Id>), LedgerError> {
        let limit = self.page_limit(limit)?;
        let found = self.ledger.holds(tenant, account, after, limit + 1).await?;
        Ok(cut(found, limit, |hold| hold.id))
    }

    /// An account's holds before `before`, the newest first, and before which the next page begins.
    pub(crate) async fn latest_holds(
        &self,
        tenant: &Tenant,
        account: Id,
        before: Option<Id>,
        limit: Option<u32>,
    ) -> Result<(Vec<Hold>, Option<Id>), LedgerError> {
        let limit = self.page_limit(limit)?;
        let found = self
            .ledger
            .latest_holds(tenant, account, before, limit + 1)
            .await?;
        Ok(cut(found, limit, |hold| hold.id))
    }
}
