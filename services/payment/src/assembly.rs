//! The service put together out of settings and engines, and its life from start to drain.

mod hooks;
mod paying;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, HttpKeys};
use identity::{FetchKeys, Verifier};
use leases::Leader;
use outbox::Relay;
use resilience::EngineError;
use server::{LargeBodies, Role, Serving, Workers};
use streams::{Consumer, Group, Handler};

use crate::config::{SettingError, Settings};
use crate::engines::{self, Engines};
use crate::http::{App, AppParts};
use crate::metrics::{AuditMetrics, Metrics};
use crate::operations::{Books, GroupCommit, SEAL_EVERY, Seals};
use crate::store::feed::FeedPlaces;
use crate::store::{self, Database};
use crate::vault::MasterKeyError;
use crate::workers::{
    AuditBooks, ClaimCollector, ExpireHolds, FEED_DUTY, FEED_GROUP, FEED_STREAM, FeedLedger, IssueReceipts,
    LetGo, NOTIFY_GROUP, NotifyMerchants, RECEIPTS_GROUP, STREAM,
};
use paying::Paying;

/// Why the service did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// An engine that cannot be used.
    #[error("payment.{setting}: {cause}")]
    Engine {
        /// The setting that names it.
        setting: &'static str,
        /// The engine's own code.
        code: &'static str,
        /// Whether waiting may help.
        retryable: bool,
        /// For the operator.
        cause: String,
    },
    /// No worker number could be leased.
    #[error(transparent)]
    Lease(#[from] leases::LeaseError),
    /// The issuer's address cannot be used.
    #[error("payment.jwks_url: {0}")]
    Keys(#[from] client::ClientError),
    /// The vault's master key.
    #[error(transparent)]
    Vault(#[from] MasterKeyError),
    /// The listeners, or a worker that ended unasked.
    #[error(transparent)]
    Serve(#[from] server::ServeError),
}

impl RunError {
    /// The engine that `setting` names cannot be used.
    pub(crate) fn engine(setting: &'static str, error: &impl EngineError) -> Self {
        Self::Engine {
            setting,
            code: error.code(),
            retryable: error.retryable(),
            cause: error.to_string(),
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting(error) => error.code(),
            Self::Engine { code, .. } => code,
            Self::Lease(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Vault(error) => error.code(),
            Self::Serve(error) => error.code(),
        }
    }

    /// Whether starting again may help without anybody doing something.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Setting(_) | Self::Keys(_) => false,
            Self::Engine { retryable, .. } => *retryable,
            Self::Lease(error) => error.retryable(),
            Self::Vault(error) => error.retryable(),
            Self::Serve(error) => error.retryable(),
        }
    }
}

/// Whether the settings by themselves are fit to run on; no file is opened.
pub fn check(settings: &Settings) -> Result<(), RunError> {
    settings.rules()?;
    settings.webhooks.check()?;
    engines::check_urls(settings)?;
    Ok(())
}

/// Runs payment until its drain is done; keys come from the issuer over HTTP.
pub async fn run(role: Role, settings: Settings) -> Result<(), RunError> {
    let client = Client::new(
        role.telemetry.clone(),
        role.clock.clone(),
        settings.client.clone(),
    );
    let keys = HttpKeys::new(client, &settings.jwks_url)?;
    run_with_keys(role, settings, Arc::new(keys)).await
}

/// [`run`] with the issuer's keys from elsewhere.
pub async fn run_with_keys(role: Role, settings: Settings, keys: Arc<dyn FetchKeys>) -> Result<(), RunError> {
    check(&settings)?;
    let engines = Engines::open(&role, &settings).await?;
    let outcome = serve(role, &settings, &engines, keys).await;
    // Also when it did not come to serving: a lease that is given back need not be waited for.
    engines.close().await;
    outcome
}

async fn serve(
    role: Role,
    settings: &Settings,
    engines: &Engines,
    keys: Arc<dyn FetchKeys>,
) -> Result<(), RunError> {
    let verifier = Verifier::new(settings.tokens.clone(), keys, role.clock.clone());
    let metrics = Metrics::register(&role.telemetry);
    let books = books(&role, settings, engines, &metrics)?;
    let vault = hooks::vault(&role, settings, engines).await?;
    let hooks = hooks::hooks(&role, settings, engines, vault)?;
    let mut workers = Workers::new(&engines.watch);
    look_after_the_books(&mut workers, &role, settings, engines, &books, &metrics);
    let audits = audit(&mut workers, &role, settings, engines);
    let relay = relay(&role, settings, engines);
    let vault = hooks.vault.clone();
    let paying = Paying::open(&role, settings, engines, &books, vault, &relay.bell())?;
    workers.start("sagas", |stop| paying.sagas.run(stop));
    let reconciling = paying::Reconciling::open(&role, settings, engines, &books)?;
    let reconciler = reconciling.reconciler.clone();
    workers.start("reconciliation", |stop| reconciling.run(stop));
    let overwrite = hooks::overwrite(settings, &hooks);
    workers.start("vault traces", |stop| overwrite.run(stop));
    let deliver = hooks::deliver(&role, settings, &hooks);
    workers.start("webhook delivery", |stop| deliver.run(stop));
    tell(&mut workers, &role, settings, engines, &metrics, relay);
    let app = App::new(AppParts {
        cashier: paying.cashier,
        reconciler,
        processor_secrets: paying.secrets,
        books,
        saga_log: store::payments::payments(&engines.database),
        receipts: store::receipts::open(&engines.database),
        faults: hooks::faults(&role, settings),
        hooks,
        metrics,
        audits,
        verifier,
    });
    let router = crate::http::router(app);
    let drain = role.drain.clone();
    let serving = Serving {
        large: LargeBodies {
            paths: crate::http::LARGE_BODIES,
            bytes_max: settings.books.body_bytes_max(),
        },
        ..Serving::default()
    };
    let serving = role.serve_with(router, engines.readiness(), serving);
    let served = engines.watch.while_all_work(&drain, serving).await;
    workers.stop().await;
    Ok(served?)
}

fn relay(role: &Role, settings: &Settings, engines: &Engines) -> Relay {
    Relay::new(
        engines.database.outbox(),
        Arc::clone(&engines.log),
        STREAM,
        settings.outbox,
        role.clock.clone(),
        role.telemetry.clone(),
    )
}

fn books(
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    metrics: &Metrics,
) -> Result<Books, SettingError> {
    let mut commits = settings.commits.clone();
    // One file has one writer: a second lane would only wait for the first.
    if matches!(engines.database, Database::Sqlite(_)) {
        commits.lanes = 1;
    }
    Ok(Books {
        commits: GroupCommit::new(
            Arc::clone(&engines.ledger),
            role.clock.clone(),
            commits,
            engines.ids.generator().worker(),
            metrics.clone(),
        ),
        ledger: Arc::clone(&engines.ledger),
        ids: engines.ids.clone(),
        clock: role.clock.clone(),
        seals: Seals::new(SEAL_EVERY),
        rules: settings.rules()?,
    })
}

fn look_after_the_books(
    workers: &mut Workers,
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    books: &Books,
    metrics: &Metrics,
) {
    let collector = ClaimCollector {
        ledger: Arc::clone(&engines.ledger),
        payments: store::payments::payments(&engines.database),
        clock: role.clock.clone(),
        interval: Duration::from_millis(settings.garbage_interval_ms.max(1)),
    };
    workers.start("claim collector", |stop| collector.run(stop));
    let expire = ExpireHolds {
        ledger: Arc::clone(&engines.ledger),
        commits: books.commits.clone(),
        ids: engines.ids.clone(),
        clock: role.clock.clone(),
        metrics: metrics.clone(),
        settings: settings.holds.clone(),
        record_ttl_ms: settings.idempotency_keep_ms,
    };
    workers.start("hold expiry", |stop| expire.run(stop));
}

/// Holds the books against their chain; whoever shows the books sees how that ended.
fn audit(workers: &mut Workers, role: &Role, settings: &Settings, engines: &Engines) -> AuditMetrics {
    let audits = AuditMetrics::register(&role.telemetry);
    let audit = AuditBooks::new(Arc::clone(&engines.ledger), audits.clone(), settings.audit);
    workers.start("audit", |stop| audit.run(stop));
    audits
}

/// Events leave the database, and what follows them is done.
fn tell(
    workers: &mut Workers,
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    metrics: &Metrics,
    relay: Relay,
) {
    let (bell, process) = (relay.bell(), role.telemetry.instance_id().to_owned());
    workers.start("outbox relay", |stop| async move {
        relay.run(&process, stop.begun()).await;
    });
    let receipts = store::receipts::open(&engines.database);
    let issue = IssueReceipts {
        receipts: Arc::clone(&receipts),
        clock: role.clock.clone(),
        telemetry: role.telemetry.clone(),
        bell: bell.clone(),
    };
    let receipts_group = Group::new(STREAM, RECEIPTS_GROUP);
    consume(
        workers,
        "receipts",
        settings,
        engines,
        receipts_group,
        Arc::new(issue),
    );
    let notify = NotifyMerchants {
        receipts,
        clock: role.clock.clone(),
        telemetry: role.telemetry.clone(),
        bell,
    };
    let notify_group = Group::new(STREAM, NOTIFY_GROUP);
    consume(
        workers,
        "notifications",
        settings,
        engines,
        notify_group,
        Arc::new(notify),
    );
    if settings.feed.enabled {
        feed(workers, role, settings, engines, metrics);
    }
}

/// What the ledger committed goes to its own stream, and goes from it again.
fn feed(workers: &mut Workers, role: &Role, settings: &Settings, engines: &Engines, metrics: &Metrics) {
    let places = FeedPlaces::new(engines.database.clone());
    let leader = Leader::new(
        places.leaderships(),
        role.clock.clone(),
        settings.feed.leader(),
        FEED_DUTY,
        role.telemetry.instance_id(),
        &role.telemetry,
    );
    let feed = FeedLedger {
        ledger: Arc::clone(&engines.ledger),
        places,
        log: Arc::clone(&engines.log),
        clock: role.clock.clone(),
        settings: settings.feed,
        behind: metrics.feed_links_behind.clone(),
        rest_until: Duration::ZERO,
        rounds: 0,
    };
    workers.start("ledger feed", |stop| async move {
        leader.run(feed, stop.begun()).await;
    });
    let group = Group::new(FEED_STREAM, FEED_GROUP);
    consume(
        workers,
        "ledger feed's retention",
        settings,
        engines,
        group,
        Arc::new(LetGo),
    );
}

fn consume(
    workers: &mut Workers,
    name: &'static str,
    settings: &Settings,
    engines: &Engines,
    group: Group,
    handler: Arc<dyn Handler>,
) {
    let log = Arc::clone(&engines.log);
    let consumer = Consumer::new(log, group, settings.consumer.clone());
    workers.start(
        name,
        |stop| async move { consumer.run(handler, stop.begun()).await },
    );
}
