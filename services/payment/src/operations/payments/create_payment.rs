//! Taking a payment in.

use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::{Cashier, InvalidPayment, PaymentError, velocity_window};
use crate::ledger::{Amount, Claim, Currency, Refusal};
use crate::operations::run_saga::payment_event;
use crate::payment::{JournalRows, Method, Payment, reference};
use crate::protocol::saga::Saga;
use crate::store::payments::{NewPayment, Velocity};

/// The longest name or address of a payer, in characters.
const PAYER_CHARS_MAX: usize = 200;

/// Who pays, for the vault alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payer {
    /// As it stands on the receipt.
    pub(crate) name: String,
    /// Where the receipt goes.
    pub(crate) email: String,
}

impl std::fmt::Debug for Payer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Payer(***)")
    }
}

/// A payment as it was asked for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CreatePayment {
    /// Who pays.
    pub(crate) payer_account_id: String,
    /// Who gets it.
    pub(crate) merchant_account_id: String,
    /// How much.
    pub(crate) amount: String,
    /// Of what.
    pub(crate) currency: String,
    /// The processor's token.
    pub(crate) method: String,
    /// Details of the payer.
    pub(crate) payer: Option<Payer>,
    /// For people.
    pub(crate) description: Option<String>,
}

/// What passed the rules.
struct Accepted {
    payer_account_id: Id,
    merchant_account_id: Id,
    amount: Amount,
    currency: Currency,
    method: Method,
}

impl CreatePayment {
    /// What tells it from other requests under the same key.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let body = serde_json::to_vec(self).expect("texts are always JSON");
        Fingerprint::of("POST", "/v1/payments", &body)
    }
}

impl Cashier {
    /// Takes a payment in: durable and due when this answers. Its saga is carried through by whichever process is first.
    pub(crate) async fn create_payment(
        &self,
        tenant: &Tenant,
        claim: Claim,
        asked: &CreatePayment,
        traceparent: Option<String>,
    ) -> Result<Outcome<Payment>, PaymentError> {
        let accepted = self.accept(asked)?;
        let now_ms = self.clock.unix_ms();
        if let Err(refused) = self.check_accounts(tenant, &accepted).await {
            // An account may have been closed since: a repeat hears what the first was told.
            let known = self.payments.recall(tenant, &claim, now_ms).await?;
            return known.map_or(Err(refused), |known| Ok(known?));
        }
        // Before anything of the payer is written: a repeat, or what was refused under the key, leaves no trace.
        if asked.payer.is_some()
            && let Some(known) = self.payments.recall(tenant, &claim, now_ms).await?
        {
            return Ok(known?);
        }
        let id = self.ids.next()?;
        let payer = self.keep_payer(tenant, &accepted, id, asked).await?;
        let deadline_ms = now_ms.saturating_add(self.rules.deadline_ms);
        let payment = Payment {
            tenant: tenant.clone(),
            id,
            payer_account_id: accepted.payer_account_id,
            merchant_account_id: accepted.merchant_account_id,
            amount: accepted.amount,
            currency: accepted.currency,
            method: accepted.method,
            description: asked.description.clone(),
            payer,
            rows: JournalRows {
                hold: self.ids.next()?,
                capture: self.ids.next()?,
                release: self.ids.next()?,
            },
            saga: Saga::new(accepted.amount, deadline_ms),
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            traceparent,
        };
        let new = NewPayment {
            event: payment_event(&payment, "payment.created", "", None, now_ms),
            velocity: Velocity {
                window_ms: velocity_window(now_ms),
                payments_max: i64::from(self.rules.velocity_payments_max),
                minor_max: i64::try_from(self.rules.velocity_minor_max).unwrap_or(i64::MAX),
            },
            payment,
            claim,
        };
        let made = self.payments.create(&new, now_ms).await;
        let is_settled_otherwise = match &made {
            Ok(Ok(made)) => made.is_replay(),
            Ok(Err(_)) => true,
            Err(error) => !error.is_unknown(),
        };
        if is_settled_otherwise {
            self.forget_payer(&new.payment).await;
        }
        let made = made??;
        if !made.is_replay() {
            self.metrics.created.inc();
            self.told.ring(&made.get().reference());
        }
        self.bell.notify_one();
        Ok(made)
    }

    /// The payment was not made. What is left behind where this fails is nobody's, and goes with the person.
    async fn forget_payer(&self, payment: &Payment) {
        let Some(name) = &payment.payer else {
            return;
        };
        let person = Payment::person(payment.payer_account_id);
        if let Err(error) = self.vault.forget(&payment.tenant, &person, name).await {
            tracing::warn!(%error, code = error.code(), "a payer's details of no payment were left in the vault");
        }
    }

    fn accept(&self, asked: &CreatePayment) -> Result<Accepted, PaymentError> {
        let id = |text: &str, pointer| {
            let id = text.parse().ok().filter(|id: &Id| id.as_u64() > 0);
            id.ok_or_else(|| InvalidPayment::Id.at(pointer))
        };
        let payer_account_id = id(&asked.payer_account_id, "/payer_account_id")?;
        let merchant_account_id = id(&asked.merchant_account_id, "/merchant_account_id")?;
        if payer_account_id == merchant_account_id {
            return Err(InvalidPayment::SameAccount.at("/merchant_account_id"));
        }
        let amount = self.amount(&asked.amount)?;
        let currency: Currency = asked
            .currency
            .parse()
            .map_err(|_| InvalidPayment::Currency.at("/currency"))?;
        let allowed = self.rules.currencies.as_ref();
        if allowed.is_some_and(|list| !list.contains(&currency)) {
            return Err(InvalidPayment::CurrencyNotAllowed.at("/currency"));
        }
        let method = Method::parse(&asked.method).map_err(|_| InvalidPayment::Method.at("/method/token"))?;
        if let Some(description) = &asked.description {
            text(description, self.rules.description_chars_max, "/description")?;
        }
        if let Some(payer) = &asked.payer {
            text(&payer.name, PAYER_CHARS_MAX, "/payer/name")?;
            text(&payer.email, PAYER_CHARS_MAX, "/payer/email")?;
        }
        Ok(Accepted {
            payer_account_id,
            merchant_account_id,
            amount,
            currency,
            method,
        })
    }

    /// What the ledger would refuse whenever the saga came to it is refused at once. The ledger judges again: an account may be closed meanwhile.
    async fn check_accounts(&self, tenant: &Tenant, accepted: &Accepted) -> Result<(), PaymentError> {
        for (pointer, account_id) in [
            ("/payer_account_id", accepted.payer_account_id),
            ("/merchant_account_id", accepted.merchant_account_id),
        ] {
            let refusal = match self.ledger.account(tenant, account_id).await? {
                None => Refusal::AccountNotFound { account_id },
                Some(account) if account.closed_at_ms.is_some() => Refusal::AccountClosed { account_id },
                Some(account) if account.currency != accepted.currency => {
                    Refusal::CurrencyMismatch { account_id }
                }
                Some(_) => continue,
            };
            return Err(PaymentError::Account { pointer, refusal });
        }
        Ok(())
    }

    /// An amount within what is paid at once.
    pub(super) fn amount(&self, text: &str) -> Result<Amount, PaymentError> {
        let amount: Amount = text.parse().map_err(|_| InvalidPayment::Amount.at("/amount"))?;
        let max = self.rules.amount_max;
        if amount.minor().unsigned_abs() > max {
            return Err(InvalidPayment::AmountOverLimit { max }.at("/amount"));
        }
        Ok(amount)
    }

    /// Before the payment, under its own name: nobody else's record is touched. One without a payment is never read.
    async fn keep_payer(
        &self,
        tenant: &Tenant,
        accepted: &Accepted,
        id: Id,
        asked: &CreatePayment,
    ) -> Result<Option<String>, PaymentError> {
        let Some(payer) = &asked.payer else {
            return Ok(None);
        };
        let name = reference(id);
        let plain = serde_json::to_vec(payer).expect("texts are always JSON");
        self.vault
            .seal(tenant, &Payment::person(accepted.payer_account_id), &name, &plain)
            .await
            .map_err(|error| PaymentError::Vault(error.to_string()))?;
        Ok(Some(name))
    }
}

fn text(text: &str, chars_max: usize, pointer: &'static str) -> Result<(), PaymentError> {
    let plain = |char: char| !char.is_control() || matches!(char, '\n' | '\t');
    if text.is_empty() || text.chars().count() > chars_max || !text.chars().all(plain) {
        return Err(InvalidPayment::Text { chars_max }.at(pointer));
    }
    Ok(())
}
