//! The service put together out of settings and engines, and its life from start to drain.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, CacheMetrics};
use client::{Client, HttpKeys};
use idempotency::InFlight;
use identity::{FetchKeys, Verifier};
use leases::{LeasedIds, SqliteLeaseStore, WorkerLease};
use server::{Drain, Readiness, Role};
use sql::Sqlite;
use streams::{Consumer, Group, SqliteStreamLog, StreamLog};
use tokio::task::JoinHandle;

use crate::clicks::{ClickQueue, GROUP, STREAM};
use crate::codes::CodeAllocator;
use crate::config::{SettingError, Settings, sqlite_path};
use crate::http::{App, AppParts};
use crate::key::{self, KeyError};
use crate::metrics::Metrics;
use crate::operations::Links;
use crate::store::LinkStore;
use crate::store::sqlite::SqliteLinkStore;
use crate::workers::{ClickFlusher, CountClicks, GarbageCollector, WorkerWatch};

/// How often an engine is probed, and how long it may take: together well within the 2 s in which `/readyz` must tell.
const PROBE: Duration = Duration::from_millis(500);

/// Why the service did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The code key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A database file.
    #[error("shortener.{what}: {source}")]
    Database {
        /// Which one, by its setting.
        what: &'static str,
        /// Why.
        source: sql::SqlError,
    },
    /// The streams' file.
    #[error("shortener.streams_url: {0}")]
    Streams(#[from] streams::StreamError),
    /// No worker number could be leased.
    #[error(transparent)]
    Lease(#[from] leases::LeaseError),
    /// The issuer's address cannot be used.
    #[error("shortener.jwks_url: {0}")]
    Keys(#[from] client::ClientError),
    /// The listeners.
    #[error(transparent)]
    Serve(#[from] server::ServeError),
    /// A worker ended before it was told to.
    #[error("the {worker} ended although nobody asked it to")]
    WorkerLost {
        /// Which one.
        worker: &'static str,
    },
}

impl RunError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Database { source, .. } => source.code(),
            Self::Streams(error) => error.code(),
            Self::Lease(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Serve(error) => error.code(),
            Self::WorkerLost { .. } => "worker_lost",
        }
    }

    /// Whether starting again may help without anybody doing something.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Setting(_) | Self::Keys(_) => false,
            Self::Key(error) => error.retryable(),
            Self::Database { source, .. } => source.retryable(),
            Self::Streams(error) => error.retryable(),
            Self::Lease(error) => error.retryable(),
            Self::Serve(error) => error.retryable(),
            Self::WorkerLost { .. } => true,
        }
    }
}

/// Whether the settings by themselves are fit to run on; no file is opened.
pub fn check(settings: &Settings) -> Result<(), RunError> {
    settings.limits()?;
    settings.own_hosts()?;
    key::check(settings.code_key.expose())?;
    for (setting, url) in [
        ("database_url", &settings.database_url),
        ("streams_url", &settings.streams_url),
        ("leases_url", &settings.leases_url),
    ] {
        sqlite_path(setting, url)?;
    }
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
    let links = links(&role, settings, engines).await?;
    let metrics = Metrics::register(&role.telemetry);
    let clicks = Arc::new(ClickQueue::new(settings.clicks.queue_max, metrics.clone()));
    let workers = Workers::start(&role, settings, engines, &clicks, &metrics);
    let app = App::new(AppParts {
        links,
        clicks,
        metrics,
        verifier,
        public_url: settings.public_url.trim_end_matches('/').to_owned(),
    });
    let router = crate::http::router(app.clone()).merge(crate::pages::router(app));
    let drain = role.drain.clone();
    let served = while_all_work(role.serve(router, engines.readiness()), &engines.watch, &drain).await;
    // From here on no redirect is answered, so what the queue holds is all there will be.
    workers.stop().await;
    served
}

/// Serves until the drain is done, which begins at once when a worker ends unasked: half a service is not to look well.
async fn while_all_work(
    serving: impl Future<Output = Result<(), server::ServeError>>,
    watch: &WorkerWatch,
    drain: &Drain,
) -> Result<(), RunError> {
    let mut serving = pin!(serving);
    let worker = tokio::select! {
        served = &mut serving => return Ok(served?),
        worker = watch.lost() => worker,
    };
    tracing::error!(worker, "a worker ended unasked: the service stops");
    drain.begin();
    serving.await?;
    Err(RunError::WorkerLost { worker })
}

struct Engines {
    clock: clock::SharedClock,
    database: Sqlite,
    streams_file: Sqlite,
    leases_file: Sqlite,
    store: Arc<dyn LinkStore>,
    log: Arc<dyn StreamLog>,
    ids: LeasedIds,
    lease_kept: JoinHandle<()>,
    lease_over: Drain,
    watch: WorkerWatch,
}

impl Engines {
    async fn open(role: &Role, settings: &Settings) -> Result<Self, RunError> {
        let open = async |setting, url: &str| {
            let path = sqlite_path(setting, url)?;
            let (telemetry, clock) = (role.telemetry.clone(), role.clock.clone());
            Sqlite::open(path, settings.sqlite.clone(), telemetry, clock)
                .await
                .map_err(|source| RunError::Database {
                    what: setting,
                    source,
                })
        };
        let database = open("database_url", &settings.database_url).await?;
        let leases_file = open("leases_url", &settings.leases_url).await?;
        let store = SqliteLinkStore::open(database.clone())
            .await
            .map_err(|source| RunError::Database {
                what: "database_url",
                source,
            })?;
        let log = SqliteStreamLog::open(
            sqlite_path("streams_url", &settings.streams_url)?,
            settings.sqlite.clone(),
            settings.streams.clone(),
            role.telemetry.clone(),
            role.clock.clone(),
        )
        .await?;
        let lease_store = SqliteLeaseStore::open(leases_file.clone()).await?;
        let holder = role.telemetry.instance_id().to_owned();
        let lease = WorkerLease::acquire(
            Arc::new(lease_store),
            role.clock.clone(),
            settings.lease,
            holder,
            &role.telemetry,
        )
        .await?;
        let (ids, lease_over) = (lease.ids(), Drain::new());
        let over = lease_over.clone();
        let watch = WorkerWatch::new();
        let keep = async move { lease.keep(over.begun()).await };
        let lease_kept = watch.spawn("lease keeper", &lease_over, keep);
        Ok(Self {
            clock: role.clock.clone(),
            database,
            streams_file: log.sql().clone(),
            leases_file,
            store: Arc::new(store),
            log: Arc::new(log),
            ids,
            lease_kept,
            lease_over,
            watch,
        })
    }

    /// Making links needs the store and the lease; counting clicks needs the stream. Redirects that are remembered need none of
    /// them, and go on.
    fn readiness(&self) -> Readiness {
        let (database, log) = (self.database.clone(), Arc::clone(&self.log));
        let leases_file = self.leases_file.clone();
        Readiness::new(self.clock.clone())
            .check("store", PROBE, PROBE, move || {
                let database = database.clone();
                async move { database.probe().await.map_err(|error| error.to_string()) }
            })
            .check("streams", PROBE, PROBE, move || {
                let log = Arc::clone(&log);
                async move { log.probe().await.map_err(|error| error.to_string()) }
            })
            .check("leases", PROBE, PROBE, move || {
                let leases_file = leases_file.clone();
                async move { leases_file.probe().await.map_err(|error| error.to_string()) }
            })
    }

    /// The lease goes last: whatever ran before may have needed ids.
    async fn close(self) {
        self.lease_over.begin();
        ended("lease keeper", self.lease_kept).await;
        for file in [self.database, self.streams_file, self.leases_file] {
            file.close().await;
        }
    }
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
    Ok(Links {
        store: Arc::clone(&engines.store),
        destinations: Cache::new(
            "destinations",
            &settings.cache,
            role.clock.clone(),
            &cache_metrics,
        ),
        codes: CodeAllocator::new(Arc::clone(&engines.store), &key, settings.code_range_size),
        ids: engines.ids.clone(),
        clock: role.clock.clone(),
        limits: settings.limits()?,
        own_hosts,
        in_flight: InFlight::new(settings.idempotency),
    })
}

/// What runs beside the requests, and how each is told to stop.
struct Workers {
    flusher: JoinHandle<()>,
    flusher_stop: Drain,
    others: Vec<(&'static str, JoinHandle<()>)>,
    others_stop: Drain,
}

impl Workers {
    fn start(
        role: &Role,
        settings: &Settings,
        engines: &Engines,
        clicks: &Arc<ClickQueue>,
        metrics: &Metrics,
    ) -> Self {
        let (flusher_stop, others_stop) = (Drain::new(), Drain::new());
        let flusher = ClickFlusher {
            queue: Arc::clone(clicks),
            log: Arc::clone(&engines.log),
            telemetry: role.telemetry.clone(),
            metrics: metrics.clone(),
            settings: settings.clicks.clone(),
        };
        let counter = CountClicks {
            store: Arc::clone(&engines.store),
            clock: role.clock.clone(),
            telemetry: role.telemetry.clone(),
            metrics: metrics.clone(),
        };
        let collector = GarbageCollector {
            store: Arc::clone(&engines.store),
            clock: role.clock.clone(),
            interval: Duration::from_millis(settings.garbage_interval_ms.max(1)),
            event_ids_keep_ms: settings.clicks.event_ids_keep_ms,
        };
        let consumer = Consumer::new(
            Arc::clone(&engines.log),
            Group::new(STREAM, GROUP),
            settings.consumer.clone(),
        );
        let consumer_stop = others_stop.clone();
        let count = async move {
            let stop = async { consumer_stop.begun().await };
            consumer.run(Arc::new(counter), stop).await;
        };
        let watch = &engines.watch;
        let count = watch.spawn("click counter", &others_stop, count);
        let collect = collector.run(others_stop.clone());
        let collect = watch.spawn("garbage collector", &others_stop, collect);
        let flush = flusher.run(flusher_stop.clone());
        let others = vec![("click counter", count), ("garbage collector", collect)];
        Self {
            flusher: watch.spawn("click flusher", &flusher_stop, flush),
            flusher_stop,
            others,
            others_stop,
        }
    }

    async fn stop(self) {
        self.flusher_stop.begin();
        ended("click flusher", self.flusher).await;
        self.others_stop.begin();
        for (name, worker) in self.others {
            ended(name, worker).await;
        }
    }
}

async fn ended(name: &'static str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(worker = name, %error, "a worker ended badly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn when_a_worker_panics_the_service_drains_and_ends_with_its_name() {
        let (watch, drain, stop) = (WorkerWatch::new(), Drain::new(), Drain::new());
        let panicking = watch.spawn("click counter", &stop, async { panic!("a defect") });
        let serving = async {
            drain.begun().await;
            Ok(())
        };
        let ended = while_all_work(serving, &watch, &drain).await.unwrap_err();
        assert!(panicking.await.is_err());
        assert_eq!(ended.code(), "worker_lost", "{ended}");
        assert!(ended.to_string().contains("click counter"), "{ended}");
    }
}
