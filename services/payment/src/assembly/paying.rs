//! Payments put together out of settings and engines.

use std::sync::Arc;
use std::time::Duration;

use client::Client;
use config::Secret;
use identity::Tenant;
use leases::{Leader, LeaderSettings};
use outbox::Bell;
use server::{Drain, Role};
use tokio::sync::Notify;

use super::RunError;
use crate::config::{SettingError, Settings};
use crate::engines::Engines;
use crate::metrics::SagaMetrics;
use crate::operations::Books;
use crate::operations::payments::{Cashier, CashierParts, PaymentRules};
use crate::operations::reconcile::Reconciler;
use crate::operations::run_saga::{SagaRunner, SagaRunnerParts};
use crate::processor::{AddressError, ProcessorClient};
use crate::protocol::saga::Policy;
use crate::store::{payments, reconciliation};
use crate::vault::Vault;
use crate::workers::{RECONCILE_DUTY, ReconcileDays, RunSagas};

/// The operator's tenant where none is set.
const OPERATOR: &str = "operator";

/// How long fetching and judging one day may take, in milliseconds.
const RECONCILE_TIMEOUT_MS: u64 = 120_000;

/// What payments need of a running service.
pub(super) struct Paying {
    /// Takes them in.
    pub cashier: Cashier,
    /// Carries them through.
    pub sagas: RunSagas,
    /// What the processor signs with.
    pub secrets: Vec<webhooks::Secret>,
}

impl Paying {
    pub(super) fn open(
        role: &Role,
        settings: &Settings,
        engines: &Engines,
        books: &Books,
        vault: Vault,
        told: &Bell,
    ) -> Result<Self, RunError> {
        let payments = payments::payments(&engines.database);
        let metrics = SagaMetrics::register(&role.telemetry);
        let bell = Arc::new(Notify::new());
        let cashier = Cashier::new(CashierParts {
            payments: Arc::clone(&payments),
            ledger: Arc::clone(&engines.ledger),
            vault,
            ids: engines.ids.clone(),
            clock: role.clock.clone(),
            rules: rules(settings)?,
            told: told.clone(),
            metrics: metrics.clone(),
            bell: Arc::clone(&bell),
        });
        let runner = SagaRunner::new(SagaRunnerParts {
            payments: Arc::clone(&payments),
            commits: books.commits.clone(),
            ledger: Arc::clone(&engines.ledger),
            processor: processor(role, settings)?,
            risk: settings.risk.rules(),
            policy: Policy {
                backoff_ms: settings.saga.retry_pause_ms.max(1),
                backoff_ms_max: settings.saga.retry_pause_ms_max.max(1),
                settle_ms: settings.saga.settle_ms,
            },
            told: told.clone(),
            metrics: metrics.clone(),
            clock: role.clock.clone(),
            owner: role.telemetry.instance_id().to_owned(),
            lease_ms: settings.saga.lease_ms,
            hold_ms: settings.saga.hold_s.saturating_mul(1_000),
        });
        Ok(Self {
            cashier,
            sagas: RunSagas {
                payments,
                runner,
                bell,
                metrics,
                clock: role.clock.clone(),
                poll_interval: Duration::from_millis(settings.saga.poll_interval_ms.max(1)),
                at_once_max: settings.saga.at_once_max,
            },
            secrets: secrets(&settings.processor.webhook_secret)?,
        })
    }
}

/// What reconciliation needs of a running service.
pub(super) struct Reconciling {
    /// Judges and puts right.
    pub reconciler: Reconciler,
    leader: Leader,
}

impl Reconciling {
    pub(super) fn open(
        role: &Role,
        settings: &Settings,
        engines: &Engines,
        books: &Books,
    ) -> Result<Self, SettingError> {
        let of = &settings.reconciliation;
        let store = reconciliation::open(&engines.database);
        let is_open = of.operator.is_empty();
        let operator = if is_open { OPERATOR } else { &of.operator };
        let operator = Tenant::parse(operator).map_err(|_| {
            SettingError::new(
                "reconciliation.operator",
                "must be a tenant, 1 to 64 of A-Z a-z 0-9 . _ -",
                &of.operator,
            )
        })?;
        let leader = Leader::new(
            store.leaderships(),
            role.clock.clone(),
            LeaderSettings {
                ttl_ms: of.lease_ms,
                tick_ms: of.interval_ms,
                tick_timeout_ms: RECONCILE_TIMEOUT_MS,
                ..LeaderSettings::default()
            },
            RECONCILE_DUTY,
            role.telemetry.instance_id(),
            &role.telemetry,
        );
        Ok(Self {
            reconciler: Reconciler {
                store,
                payments: payments::payments(&engines.database),
                commits: books.commits.clone(),
                processor: processor(role, settings)?,
                ids: engines.ids.clone(),
                clock: role.clock.clone(),
                rows_max: of.rows_max,
                judges_today: of.judge_today,
                operator,
                is_open,
            },
            leader,
        })
    }

    pub(super) async fn run(self, stop: Drain) {
        let duty = ReconcileDays {
            reconciler: self.reconciler,
        };
        self.leader.run(duty, async move { stop.begun().await }).await;
    }
}

fn rules(settings: &Settings) -> Result<PaymentRules, SettingError> {
    let books = settings.rules()?;
    Ok(PaymentRules {
        currencies: books.currencies,
        amount_max: books.transfer_minor_max,
        velocity_payments_max: settings.limits.payments_per_hour_max,
        velocity_minor_max: settings.limits.payments_minor_per_hour_max,
        deadline_ms: settings.saga.deadline_ms,
        record_ttl_ms: books.record_ttl_ms,
        description_chars_max: books.books.description_chars_max,
        list_limit_default: books.list_limit_default,
        list_limit_max: books.list_limit_max,
    })
}

/// The processor as the settings name it.
pub(super) fn processor(role: &Role, settings: &Settings) -> Result<ProcessorClient, SettingError> {
    let client = Client::new(
        role.telemetry.clone(),
        role.clock.clone(),
        settings.client.clone(),
    );
    let of = &settings.processor;
    let timeout = Duration::from_millis(of.timeout_ms.max(1));
    ProcessorClient::new(client, &of.url, of.api_key.expose(), timeout).map_err(|error| match error {
        AddressError::Url => SettingError::new("processor.url", "must be http://host:port", &of.url),
        AddressError::Key => {
            SettingError::new("processor.api_key", "must be visible ASCII characters", "***")
        }
    })
}

/// None where the setting is empty: then no webhook is believed.
fn secrets(secret: &Secret) -> Result<Vec<webhooks::Secret>, SettingError> {
    if secret.is_empty() {
        return Ok(Vec::new());
    }
    let refused = |_| {
        SettingError::new(
            "processor.webhook_secret",
            "must be whsec_ and base64 of 24 to 64 bytes",
            "***",
        )
    };
    Ok(vec![webhooks::Secret::parse(secret.expose()).map_err(refused)?])
}
