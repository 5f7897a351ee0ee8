//! Steps that the ledger does, each under a claim made of the payment, the step and the round: however often it is asked, it happens once.

use idempotency::Fingerprint;
use ids::Id;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::SagaRunner;
use crate::error::LedgerError;
use crate::ledger::{Action, Claim, Command, HoldState, NewHold, Refusal};
use crate::payment::{Payment, Refund};
use crate::protocol::saga::{Answer, Step};
use crate::store::StoreError;
use crate::store::payments::Leased;

/// How long the ledger remembers a step: longer than a compensation is ever tried.
const CLAIM_KEPT_MS: u64 = 400 * 24 * 60 * 60 * 1_000;

/// How long a refund's hold lasts: it is let go long before, unless nobody carries the refund on.
const REFUND_HOLD_MS: u64 = 90 * 24 * 60 * 60 * 1_000;

impl SagaRunner {
    pub(super) async fn act_at_ledger(&self, leased: &Leased, step: Step) -> Answer {
        let commands = match self.commands(leased, step).await {
            Ok(Some(commands)) => commands,
            Ok(None) => {
                tracing::error!(payment = %leased.payment.id, step = step.name(), "a step without what it needs");
                return Answer::Unavailable;
            }
            Err(error) => return failed(&error),
        };
        let together = commands.len() > 1;
        match self.commits.batch(commands, together).await {
            Ok(answers) => {
                let refusal = answers
                    .into_iter()
                    .filter_map(Result::err)
                    .map(Refusal::first)
                    .find(|refusal| *refusal != Refusal::NotAlone);
                refusal.map_or(Answer::Done(None), |refusal| judged(step, &refusal))
            }
            Err(LedgerError::Unsettled(_)) => Answer::Unknown,
            Err(LedgerError::Store(error)) => failed(&error),
            Err(error) => {
                tracing::warn!(%error, "the ledger did not take a step of a payment");
                Answer::Unavailable
            }
        }
    }

    async fn commands(&self, leased: &Leased, step: Step) -> Result<Option<Vec<Command>>, StoreError> {
        let payment = &leased.payment;
        if let Some(action) = self.payment_action(payment, step) {
            let id = match step {
                Step::Reserve => payment.rows.hold,
                Step::Capture => payment.rows.capture,
                _ => payment.rows.release,
            };
            return Ok(Some(vec![self.command(payment, None, step, id, action)]));
        }
        let Some(refund) = &leased.refund else {
            return Ok(None);
        };
        self.refund_commands(payment, refund, step).await
    }

    fn payment_action(&self, payment: &Payment, step: Step) -> Option<Action> {
        Some(match step {
            Step::Reserve => Action::Hold(NewHold {
                debit_account_id: payment.payer_account_id,
                credit_account_id: payment.merchant_account_id,
                amount: payment.amount,
                currency: payment.currency,
                expires_at_ms: payment.created_at_ms.saturating_add(self.hold_ms),
            }),
            Step::Capture => Action::Capture {
                hold_id: payment.rows.hold,
                amount: None,
                last: true,
            },
            Step::ReleaseHold => Action::Void {
                hold_id: payment.rows.hold,
            },
            _ => return None,
        })
    }

    async fn refund_commands(
        &self,
        payment: &Payment,
        refund: &Refund,
        step: Step,
    ) -> Result<Option<Vec<Command>>, StoreError> {
        let command = |step, id, action| self.command(payment, Some(refund.id), step, id, action);
        let release = Action::Void {
            hold_id: refund.rows.hold,
        };
        Ok(Some(match step {
            Step::HoldRefund => {
                let hold = Action::Hold(NewHold {
                    debit_account_id: payment.merchant_account_id,
                    credit_account_id: payment.payer_account_id,
                    amount: refund.amount,
                    currency: payment.currency,
                    expires_at_ms: refund.created_at_ms.saturating_add(REFUND_HOLD_MS),
                });
                vec![command(step, refund.rows.hold, hold)]
            }
            Step::PostRefund => {
                let reverse = Action::Reverse {
                    journal_id: payment.rows.capture,
                    amount: Some(refund.amount),
                };
                let mut commands = Vec::with_capacity(2);
                // In one commit, so that nobody else gets at the money between the two. Where it was refused once, the hold may be gone.
                if round(payment) == 0 || self.holds(payment, refund.rows.hold).await? {
                    commands.push(command(Step::ReleaseRefund, refund.rows.release, release));
                }
                commands.push(command(step, refund.rows.reversal, reverse));
                commands
            }
            Step::ReleaseRefund => vec![command(step, refund.rows.release, release)],
            _ => return Ok(None),
        }))
    }

    async fn holds(&self, payment: &Payment, hold: Id) -> Result<bool, StoreError> {
        let hold = self.ledger.hold(&payment.tenant, hold).await?;
        Ok(hold.is_some_and(|hold| hold.state == HoldState::Open))
    }

    fn command(&self, payment: &Payment, refund: Option<Id>, step: Step, id: Id, action: Action) -> Command {
        // `payment_id` marks the row as the payment's own: nobody reverses, captures or voids it from outside.
        let details = match refund {
            None => json!({"payment_id": payment.id, "step": step.name()}),
            Some(refund) => json!({"payment_id": payment.id, "refund_id": refund, "step": step.name()}),
        };
        let subject = refund.unwrap_or(payment.id);
        let kind = if refund.is_some() { "refund" } else { "payment" };
        let name = format!("{kind}/{subject}/{}/{}", step.name(), round(payment));
        Command {
            tenant: payment.tenant.clone(),
            id,
            claim: Some(Claim {
                key: claim_key(payment.tenant.as_str(), &name),
                fingerprint: Fingerprint::of("saga", &name, b""),
                expires_at_ms: self.clock.unix_ms().saturating_add(CLAIM_KEPT_MS),
            }),
            details: details.to_string(),
            action,
        }
    }
}

fn round(payment: &Payment) -> u32 {
    payment.saga.doing.as_ref().map_or(0, |doing| doing.round)
}

fn claim_key(tenant: &str, name: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in ["saga", tenant, name] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// A release of what is not held any more has nothing left to do.
fn judged(step: Step, refusal: &Refusal) -> Answer {
    let gone = matches!(
        refusal,
        Refusal::HoldNotOpen { .. } | Refusal::HoldExpired { .. } | Refusal::HoldNotFound { .. }
    );
    if gone && matches!(step, Step::ReleaseHold | Step::ReleaseRefund) {
        return Answer::Done(None);
    }
    Answer::Refused {
        code: refusal.code().to_owned(),
    }
}

fn failed(error: &StoreError) -> Answer {
    if error.is_unknown() {
        return Answer::Unknown;
    }
    tracing::warn!(%error, code = error.code(), "the ledger did not do a step of a payment");
    Answer::Unavailable
}
