//! The engines behind the ports, each chosen by the scheme of its URL.

mod open;

use std::sync::Arc;

use cache::SharedCache;
use clock::SharedClock;
use leases::{LeasedIds, WorkerLease};
use redis_engine::Redis;
use server::{Connections, Readiness, Role, WorkerWatch, Workers};
use streams::StreamLog;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::Settings;
use crate::store::LinkStore;
use crate::store::domain_rules::DomainRules;
use crate::store::slots::SlotStore;
use crate::store::statistics::StatisticsStore;
use crate::workers::ClickSpool;
pub(crate) use open::check_urls;
pub use open::open_log;

/// What opening an engine takes.
pub(crate) struct Opener<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) clock: &'a SharedClock,
}

/// The ports to one store, each of its own part of it.
pub(crate) struct Stores {
    pub(crate) links: Arc<dyn LinkStore>,
    pub(crate) slots: Arc<dyn SlotStore>,
    pub(crate) statistics: Arc<dyn StatisticsStore>,
    pub(crate) rules: Arc<dyn DomainRules>,
}

/// All that the service stands on, opened.
pub(crate) struct Engines {
    clock: SharedClock,
    pub(crate) store: Arc<dyn LinkStore>,
    pub(crate) slots: Arc<dyn SlotStore>,
    pub(crate) statistics: Arc<dyn StatisticsStore>,
    pub(crate) rules: Arc<dyn DomainRules>,
    pub(crate) log: Arc<dyn StreamLog>,
    /// Only where other processes may serve the same links.
    pub(crate) shared_cache: Option<Arc<dyn SharedCache>>,
    /// The engine behind it.
    pub(crate) redis: Option<Redis>,
    /// Only where the stream is on another machine.
    pub(crate) spool: Option<ClickSpool>,
    pub(crate) ids: LeasedIds,
    pub(crate) watch: WorkerWatch,
    connections: Connections,
    lease_keeper: Workers,
}

impl Engines {
    pub(crate) async fn open(role: &Role, settings: &Settings) -> Result<Self, RunError> {
        let opener = Opener {
            settings,
            telemetry: &role.telemetry,
            clock: &role.clock,
        };
        let stores = opener.stores().await?;
        let log = opener.log().await?;
        let leases = opener.leases().await?;
        let redis = opener.redis()?;
        let shared_cache = redis.as_ref().map(Opener::shared_cache).transpose()?;
        let spool = opener.spool().await?;

        let mut connections = Connections::default();
        connections.require("store", stores.connection);
        connections.prefer_if_remote("streams", log.connection);
        connections.prefer_if_remote("leases", leases.connection);
        let shared_cache = shared_cache.map(|opened| {
            connections.prefer("cache", opened.connection);
            opened.port
        });
        let spool = spool.map(|opened| {
            connections.require("spool", opened.connection);
            ClickSpool::new(opened.port)
        });

        let holder = role.telemetry.instance_id().to_owned();
        let lease = WorkerLease::acquire(
            leases.port,
            role.clock.clone(),
            settings.lease,
            holder,
            &role.telemetry,
        )
        .await?;
        let (ids, watch) = (lease.ids(), WorkerWatch::new());
        let mut lease_keeper = Workers::new(&watch);
        lease_keeper.start(
            "lease keeper",
            |over| async move { lease.keep(over.begun()).await },
        );
        Ok(Self {
            clock: role.clock.clone(),
            store: Arc::clone(&stores.port.links),
            slots: Arc::clone(&stores.port.slots),
            statistics: Arc::clone(&stores.port.statistics),
            rules: Arc::clone(&stores.port.rules),
            log: log.port,
            shared_cache,
            redis,
            spool,
            ids,
            watch,
            connections,
            lease_keeper,
        })
    }

    /// Without its store the service can answer only what it remembers, and says so. Elsewhere than on this machine, the
    /// stream, the leases and the shared cache may be away for a while: clicks wait in the spool, ids go on until the lease
    /// ends, redirects come from the store; to be taken out of service for that would be the greater loss.
    pub(crate) fn readiness(&self) -> Readiness {
        self.connections.readiness(self.clock.clone())
    }

    /// The lease goes first: giving it back needs its engine.
    pub(crate) async fn close(self) {
        self.lease_keeper.stop().await;
        self.connections.close().await;
    }
}
