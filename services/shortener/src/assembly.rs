//! The service put together out of settings and engines, and its life from start to drain.

use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, CacheMetrics, Shared};
use client::{Client, HttpKeys};
use idempotency::InFlight;
use identity::{FetchKeys, Verifier};
use resilience::EngineError;
use server::{LargeBodies, Role, Serving, Workers};
use streams::{Consumer, ConsumerSettings, Group};

use crate::attempts::Attempts;
use crate::clicks::{ClickQueue, FORMER_GROUP, FORMER_STREAM, VISITS, VISITS_GROUP};
use crate::codes::CodeAllocator;
use crate::config::{SettingError, Settings};
use crate::engines::{self, Engines};
use crate::http::{App, AppParts};
use crate::key::{self, KeyError};
use crate::metrics::Metrics;
use crate::operations::{self, BadUrls, ClickSlots, Links, TenantRules};
use crate::visit::Observer;
use crate::visit::geo::Countries;
use crate::workers::{
    ClickFlusher, CountClicks, GarbageCollector, Lanes, ProjectVisits, ReloadBadUrls, ReloadCountries,
    RotateVisitorKeys,
};

/// Why the service did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The code key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An engine that cannot be used.
    #[error("shortener.{setting}: {cause}")]
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
    #[error("shortener.jwks_url: {0}")]
    Keys(#[from] client::ClientError),
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
            Self::Key(error) => error.code(),
            Self::Engine { code, .. } => code,
            Self::Lease(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Serve(error) => error.code(),
        }
    }

    /// Whether starting again may help without anybody doing something.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Setting(_) | Self::Keys(_) => false,
            Self::Key(error) => error.retryable(),
            Self::Engine { retryable, .. } => *retryable,
            Self::Lease(error) => error.retryable(),
            Self::Serve(error) => error.retryable(),
        }
    }
}

/// Whether the settings by themselves are fit to run on; no file is opened.
pub fn check(settings: &Settings) -> Result<(), RunError> {
    settings.limits()?;
    settings.own_hosts()?;
    settings.passwords()?;
    key::check(settings.code_key.expose())?;
    engines::check_urls(settings)?;
    Ok(())
}

/// Runs the shortener until its drain is done; keys come from the issuer over HTTP.
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
    engines::check_urls(&settings)?;
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
    let mut links = links(&role, settings, engines).await?;
    // Without the level that processes share, the store bears only so many reads: those are for whoever asks.
    let shared = match &engines.shared_cache {
        Some(level) => level.probe().await.is_ok(),
        None => true,
    };
    if shared {
        links.warm_up(settings.warm_up).await;
    }
    let metrics = Metrics::register(&role.telemetry);
    links.passwords = links.passwords.counting(metrics.password_checks.clone());
    let clicks = ClickQueue::new(settings.clicks.queue_max, metrics.clone());
    let clicks = Arc::new(clicks.durable(settings.clicks.durable_wait()));
    let countries = ReloadCountries::open(&settings.geo).await?;
    let bad_urls = ReloadBadUrls::open(&settings.targets, &links.bad_urls).await?;
    let flushing = flush(&role, settings, engines, &clicks, &metrics);
    let mut workers = Workers::new(&engines.watch);
    count_clicks(&mut workers, &role, settings, engines, &metrics);
    let visits = see_visits(&mut workers, &role, settings, engines, countries).await?;
    let slots = Arc::clone(&links.slots);
    // They are given back once no redirect is answered any more.
    workers.start("slot keeper", |stop| slots.keep(stop));
    if let Some(reload) = bad_urls {
        let (list, metrics) = (links.bad_urls.clone(), metrics.clone());
        workers.start("bad URL reader", |stop| reload.run(list, metrics, stop));
    }
    project_visits(&mut workers, &role, settings, engines, &metrics);
    let app = App::new(AppParts {
        links,
        clicks,
        visits,
        metrics,
        verifier,
        live: crate::pages::LiveParts::new(&settings.live, role.drain.clone()),
        public_url: settings.public_url.trim_end_matches('/').to_owned(),
    });
    let direct = Some(crate::http::direct(app.clone()));
    let router = crate::http::router(app.clone()).merge(crate::pages::router(app));
    let drain = role.drain.clone();
    let large = LargeBodies {
        paths: crate::http::LARGE_BODIES,
        bytes_max: settings.bulk.body_bytes_max(),
    };
    let serving = Serving {
        large,
        direct,
        ..Serving::default()
    };
    let serving = role.serve_with(router, engines.readiness(), serving);
    let served = engines.watch.while_all_work(&drain, serving).await;
    // From here on no redirect is answered, so what the queue holds is all there will be.
    flushing.stop().await;
    workers.stop().await;
    Ok(served?)
}

async fn links(role: &Role, settings: &Settings, engines: &Engines) -> Result<Links, RunError> {
    let file = std::path::Path::new(&settings.code_key_file);
    let key = key::open(settings.code_key.expose(), file, &*engines.store).await?;
    let mut own_hosts = settings.own_hosts()?;
    for listener in [role.api_addr(), role.admin_addr()].into_iter().flatten() {
        own_hosts = own_hosts.loopback_port(listener.port());
    }
    let cache_metrics = CacheMetrics::default();
    role.telemetry
        .registry(|registry| cache_metrics.register(registry));
    let clock = role.clock.clone();
    let destinations = match &engines.shared_cache {
        None => Cache::new("destinations", &settings.cache, clock, &cache_metrics),
        Some(level) => {
            let shared = Shared {
                level: Arc::clone(level),
                settings: settings.shared_cache.clone(),
                codec: operations::codec(),
            };
            Cache::with_shared("destinations", &settings.cache, shared, clock, &cache_metrics)
        }
    };
    Ok(Links {
        store: Arc::clone(&engines.store),
        statistics: Arc::clone(&engines.statistics),
        destinations,
        codes: CodeAllocator::new(Arc::clone(&engines.store), &key, settings.code_range_size),
        ids: engines.ids.clone(),
        clock: role.clock.clone(),
        limits: settings.limits()?,
        own_hosts,
        rules: TenantRules::new(
            Arc::clone(&engines.rules),
            settings.targets.rules_ttl_ms,
            settings.targets.domains_max,
            role.clock.clone(),
            &cache_metrics,
        ),
        bad_urls: BadUrls::default(),
        in_flight: InFlight::new(settings.idempotency),
        slots: Arc::new(ClickSlots::new(
            Arc::clone(&engines.slots),
            role.clock.clone(),
            settings.click_slots.clone(),
        )),
        passwords: settings.passwords()?,
        attempts: Attempts::new(
            &settings.passwords,
            key.derived("password attempts"),
            engines.redis.as_ref(),
            role.clock.clone(),
            &role.telemetry,
        ),
    })
}

/// Starts what takes clicks from the queue. It is apart from the others, for they stop once all that it took is stored.
fn flush(
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    clicks: &Arc<ClickQueue>,
    metrics: &Metrics,
) -> Workers {
    let flusher = ClickFlusher {
        queue: Arc::clone(clicks),
        log: Arc::clone(&engines.log),
        spool: engines.spool.clone(),
        telemetry: role.telemetry.clone(),
        metrics: metrics.clone(),
        settings: settings.clicks.clone(),
    };
    let mut flushing = Workers::new(&engines.watch);
    flushing.start("click flusher", |stop| flusher.run(stop));
    flushing
}

fn count_clicks(
    workers: &mut Workers,
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    metrics: &Metrics,
) {
    let counter = CountClicks {
        store: Arc::clone(&engines.store),
        clock: role.clock.clone(),
        telemetry: role.telemetry.clone(),
        metrics: metrics.clone(),
    };
    let consumer = Consumer::new(
        Arc::clone(&engines.log),
        Group::new(FORMER_STREAM, FORMER_GROUP),
        settings.consumer.clone(),
    );
    workers.start("click counter", |stop| async move {
        consumer.run(Arc::new(counter), stop.begun()).await;
    });
    let collector = GarbageCollector {
        store: Arc::clone(&engines.store),
        statistics: Arc::clone(&engines.statistics),
        clock: role.clock.clone(),
        interval: Duration::from_millis(settings.garbage_interval_ms.max(1)),
        event_ids_keep_ms: settings.clicks.event_ids_keep_ms,
        statistics_days_kept: settings.statistics.days_kept,
    };
    workers.start("garbage collector", |stop| collector.run(stop));
    if let Some(spool) = engines.spool.clone() {
        let (log, metrics) = (Arc::clone(&engines.log), metrics.clone());
        workers.start("click relay", |stop| spool.relay(log, metrics, stop));
    }
}

fn project_visits(
    workers: &mut Workers,
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    metrics: &Metrics,
) {
    let consumer_settings = ConsumerSettings {
        batch_max: settings.statistics.events_max,
        ..settings.consumer.clone()
    };
    let projector = ProjectVisits {
        store: Arc::clone(&engines.statistics),
        clock: role.clock.clone(),
        telemetry: role.telemetry.clone(),
        metrics: metrics.clone(),
        settings: settings.statistics.clone(),
        time_max: Duration::from_millis(settings.consumer.handle_timeout_ms / 4),
        lanes: Lanes::default(),
    };
    let group = Group::new(VISITS, VISITS_GROUP);
    let consumer = Consumer::new(Arc::clone(&engines.log), group, consumer_settings);
    let cycle = settings.statistics.cycle();
    workers.start("visits projector", |stop| async move {
        consumer
            .run_batches(Arc::new(projector), cycle, stop.begun())
            .await;
    });
}

/// Requests see who follows; what they need for it is kept fresh beside them.
async fn see_visits(
    workers: &mut Workers,
    role: &Role,
    settings: &Settings,
    engines: &Engines,
    countries: Option<(Countries, ReloadCountries)>,
) -> Result<Arc<Observer>, RunError> {
    let (countries, reload) = countries.unzip();
    let visits = Observer::new(settings.clicks.analytics, settings.geo.header()?, countries);
    if let Some(reload) = reload {
        let visits = Arc::clone(&visits);
        workers.start("country reader", |stop| reload.run(visits, stop));
    }
    let (store, clock) = (Arc::clone(&engines.statistics), role.clock.clone());
    let interval = Duration::from_millis(settings.clicks.visitor_key_interval_ms.max(1));
    let mut rotate = RotateVisitorKeys::new(store, Arc::clone(&visits), clock, interval);
    // The worker looks again at once, and says what is wrong.
    let _ = rotate.look().await;
    workers.start("visitor keys", |stop| rotate.run(stop));
    Ok(visits)
}
