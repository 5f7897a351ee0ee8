//! Putting a difference between settlement and ledger right.

use identity::Tenant;
use ids::Id;

use super::payments::PaymentError;
use super::reconcile::{Reconciler, ResolveError};
use super::{Books, fields, internal_claim};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Action, Command, Direction, JournalKind, NewTransaction, Posting};
use crate::store::reconciliation::{Adjustment, Break, BreakState, Planned, Resolution};

/// How long the ledger remembers an adjustment, in milliseconds: longer than a break that is marked with one is left alone.
const CLAIM_KEPT_MS: u64 = 400 * 24 * 60 * 60 * 1_000;

impl Books {
    /// An adjustment as it was typed, by the rules of every transfer.
    pub(crate) fn adjustment(
        &self,
        debit_account_id: &str,
        credit_account_id: &str,
        amount: &str,
        currency: &str,
    ) -> Result<Adjustment, Wrong> {
        let adjustment = Adjustment {
            debit_account_id: fields::id(debit_account_id, "/adjustment/debit_account_id")?,
            credit_account_id: fields::id(credit_account_id, "/adjustment/credit_account_id")?,
            amount: fields::amount(&self.rules, amount, "/adjustment/amount")?,
            currency: fields::currency(&self.rules, currency, "/adjustment/currency")?,
        };
        if adjustment.debit_account_id == adjustment.credit_account_id {
            return Err(Wrong::at("/adjustment/credit_account_id", Invalid::SameAccount));
        }
        Ok(adjustment)
    }
}

impl Reconciler {
    /// Posts a row that sets a break right and resolves it, or resolves it with a note alone. The break is marked with the adjustment before that is
    /// posted: whoever comes after a process that died in between, whatever they ask for, first ends what was begun. A repeat of what resolved the
    /// break is answered as it was.
    pub(crate) async fn resolve(
        &self,
        tenant: &Tenant,
        id: Id,
        note: Option<String>,
        asked: Option<Adjustment>,
    ) -> Result<Break, ResolveError> {
        let found = self.find(tenant, id).await?;
        let planned = self.store.planned(tenant, id).await?;
        let is_same = planned.as_ref().map(|planned| &planned.adjustment) == asked.as_ref();
        if found.state != BreakState::Open {
            let is_repeat = is_same && found.note == note;
            return if is_repeat {
                Ok(found)
            } else {
                Err(ResolveError::NotOpen)
            };
        }
        if let Some(planned) = planned {
            let its_note = note.clone().filter(|_| is_same);
            match self.carry_out(tenant, &found, &planned, its_note).await {
                Ok(adjusted) if is_same => return Ok(adjusted),
                Ok(_) => return Err(ResolveError::NotOpen),
                // It never was posted and never will be: the way is free.
                Err(ResolveError::Ledger(LedgerError::Refused(_))) if !is_same => {}
                Err(error) => return Err(error),
            }
        }
        let Some(adjustment) = asked else {
            let noted = Resolution {
                state: BreakState::Noted,
                note,
                adjustment_id: None,
            };
            return self.record(tenant, id, &noted).await;
        };
        let row = self.ids.next().map_err(PaymentError::from)?;
        let planned = Planned { row, adjustment };
        if !self.store.plan(tenant, id, &planned).await? {
            // Somebody else was quicker; a repeat finds out with what.
            return Err(ResolveError::NotOpen);
        }
        self.carry_out(tenant, &found, &planned, note).await
    }

    /// Posts what the break is marked with, and resolves it with that. What the ledger refuses is unmarked.
    async fn carry_out(
        &self,
        tenant: &Tenant,
        of: &Break,
        planned: &Planned,
        note: Option<String>,
    ) -> Result<Break, ResolveError> {
        match self.commits.command(self.command(tenant, of, planned)).await {
            Ok(_) => {}
            Err(LedgerError::Refused(refusal)) => {
                self.store.drop_plan(tenant, of.id, planned.row).await?;
                return Err(LedgerError::Refused(refusal).into());
            }
            Err(error) => return Err(error.into()),
        }
        let adjusted = Resolution {
            state: BreakState::Adjusted,
            note,
            adjustment_id: Some(planned.row),
        };
        self.record(tenant, of.id, &adjusted).await
    }

    /// Under a claim made of the break and all of the adjustment: of however many copies one is posted, and a refusal is no other's.
    fn command(&self, tenant: &Tenant, of: &Break, planned: &Planned) -> Command {
        let Planned { row, adjustment } = planned;
        let posting = |account_id, direction| Posting {
            account_id,
            direction,
            amount: adjustment.amount,
            currency: adjustment.currency,
        };
        let until_ms = self.clock.unix_ms().saturating_add(CLAIM_KEPT_MS);
        let (debited, credited) = (adjustment.debit_account_id, adjustment.credit_account_id);
        let (minor, currency) = (adjustment.amount.minor(), adjustment.currency.code());
        let name = format!(
            "reconciliation-break/{}/{row}/{debited}/{credited}/{minor}/{currency}",
            of.id
        );
        Command {
            tenant: tenant.clone(),
            id: *row,
            claim: Some(internal_claim(tenant, &name, until_ms)),
            details: serde_json::json!({"break_id": of.id, "reference": of.reference, "day": of.day})
                .to_string(),
            action: Action::Transact(NewTransaction {
                kind: JournalKind::Adjustment,
                postings: vec![
                    posting(debited, Direction::Debit),
                    posting(credited, Direction::Credit),
                ],
            }),
        }
    }

    async fn record(&self, tenant: &Tenant, id: Id, done: &Resolution) -> Result<Break, ResolveError> {
        let now_ms = self.clock.unix_ms();
        let resolved = self.store.resolve(tenant, id, done, now_ms).await?;
        let found = self.find(tenant, id).await?;
        // A copy of the same request may have been quicker.
        let is_done = resolved || (done.adjustment_id.is_some() && found.adjustment_id == done.adjustment_id);
        if is_done && found.state != BreakState::Open {
            Ok(found)
        } else {
            Err(ResolveError::NotOpen)
        }
    }

    async fn find(&self, tenant: &Tenant, id: Id) -> Result<Break, ResolveError> {
        let found = self.store.find_break(tenant, id).await?;
        found.ok_or(ResolveError::NotFound)
    }
}
