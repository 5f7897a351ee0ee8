//! Payments and refunds: taken in, shown, woken. Carrying them through is [`run_saga`](super::run_saga)'s.

mod create_payment;
mod error;
mod refund_payment;

use std::sync::Arc;

use clock::SharedClock;
use idempotency::Fingerprint;
use identity::Tenant;
use ids::Id;
use leases::LeasedIds;
use outbox::Bell;
use tokio::sync::Notify;

pub(crate) use create_payment::{CreatePayment, Payer};
pub(crate) use error::{InvalidPayment, PaymentError};
pub(crate) use refund_payment::RefundPayment;

use super::{Asked, cut};
use crate::ledger::{Claim, Currency};
use crate::metrics::SagaMetrics;
use crate::payment::{Payment, PaymentHistory};
use crate::store::StoreError;
use crate::store::ledger::SharedLedger;
use crate::store::payments::{PaymentFilter, SharedPayments};
use crate::vault::{Opened, Vault};

/// The window in which velocity is counted: an hour.
const VELOCITY_WINDOW_MS: u64 = 60 * 60 * 1_000;

/// When the window began that a moment is in.
pub(crate) fn velocity_window(at_ms: u64) -> u64 {
    at_ms - at_ms % VELOCITY_WINDOW_MS
}

/// The rules' numbers.
#[derive(Debug, Clone)]
pub(crate) struct PaymentRules {
    /// The currencies that may be paid in; `None`: all.
    pub(crate) currencies: Option<Vec<Currency>>,
    /// The most that one payment moves, in minor units.
    pub(crate) amount_max: u64,
    /// The most payments of one account in a window.
    pub(crate) velocity_payments_max: u32,
    /// The most that one account pays in a window, in minor units.
    pub(crate) velocity_minor_max: u64,
    /// How long a payment has to be charged, in milliseconds.
    pub(crate) deadline_ms: u64,
    /// How long an idempotency record is kept, in milliseconds.
    pub(crate) record_ttl_ms: u64,
    /// The longest description, in characters.
    pub(crate) description_chars_max: usize,
    /// Rows on a page when none is asked for.
    pub(crate) list_limit_default: u32,
    /// Most rows on a page.
    pub(crate) list_limit_max: u32,
}

/// Takes payments in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cashier(Arc<CashierParts>);

/// The parts of [`Cashier`].
#[derive(Debug)]
pub(crate) struct CashierParts {
    /// The port.
    pub(crate) payments: SharedPayments,
    /// Whose accounts are looked at before a payment is taken in.
    pub(crate) ledger: SharedLedger,
    /// Where payers' details go.
    pub(crate) vault: Vault,
    /// Ids of payments, refunds and the rows they make.
    pub(crate) ids: LeasedIds,
    /// What time it is.
    pub(crate) clock: SharedClock,
    /// The rules' numbers.
    pub(crate) rules: PaymentRules,
    /// Rung when an event was written, so that it leaves at once.
    pub(crate) told: Bell,
    /// What is counted.
    pub(crate) metrics: SagaMetrics,
    /// Rung when there is something for the sagas' worker to do.
    pub(crate) bell: Arc<Notify>,
}

impl std::ops::Deref for Cashier {
    type Target = CashierParts;

    fn deref(&self) -> &CashierParts {
        &self.0
    }
}

impl Cashier {
    /// Puts the parts together.
    pub(crate) fn new(parts: CashierParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The record of a request under its key, which there must be.
    pub(crate) fn claim(&self, asked: &Asked, fingerprint: Fingerprint) -> Result<Claim, PaymentError> {
        let expires_at_ms = self.clock.unix_ms().saturating_add(self.rules.record_ttl_ms);
        let claim = asked.claim(fingerprint, expires_at_ms);
        claim.ok_or(PaymentError::KeyMissing)
    }

    /// One payment with its history.
    pub(crate) async fn find(&self, tenant: &Tenant, id: Id) -> Result<PaymentHistory, PaymentError> {
        let found = self.payments.load(tenant, id).await?;
        found.ok_or(PaymentError::NotFound)
    }

    /// Who pays, as it was told with the payment; `None` where nothing was, or the person was erased since.
    pub(crate) async fn payer(&self, payment: &Payment) -> Result<Option<Payer>, PaymentError> {
        let Some(name) = &payment.payer else {
            return Ok(None);
        };
        let person = Payment::person(payment.payer_account_id);
        let opened = self.vault.open(&payment.tenant, &person, name).await;
        match opened.map_err(|error| PaymentError::Unopened(error.to_string()))? {
            Opened::Record(plain) => serde_json::from_slice(&plain)
                .map(Some)
                .map_err(|_| StoreError::Damaged("a payer that makes no sense").into()),
            Opened::Erased | Opened::Absent => Ok(None),
        }
    }

    /// A page of payments, the newest first, and where the next one begins.
    pub(crate) async fn list(
        &self,
        tenant: &Tenant,
        filter: &PaymentFilter,
        before: Option<Id>,
        limit: Option<u32>,
    ) -> Result<(Vec<Payment>, Option<Id>), PaymentError> {
        let limit = self.page_limit(limit)?;
        let found = self.payments.list(tenant, filter, before, limit + 1).await?;
        Ok(cut(found, limit, |payment| payment.id))
    }

    /// How many rows a page has, given what was asked for.
    pub(crate) fn page_limit(&self, limit: Option<u32>) -> Result<u32, PaymentError> {
        let limit = limit.unwrap_or(self.rules.list_limit_default);
        if (1..=self.rules.list_limit_max).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("must be between 1 and {}", self.rules.list_limit_max);
        Err(PaymentError::Parameter {
            name: "limit",
            detail,
        })
    }

    /// The processor has news of a payment. What the news is does not matter: the saga looks for itself.
    pub(crate) async fn wake(&self, payment: Id) -> Result<bool, PaymentError> {
        let woken = self.payments.wake(payment, self.clock.unix_ms()).await?;
        self.bell.notify_one();
        Ok(woken)
    }
}
