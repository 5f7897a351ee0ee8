//! The engines behind the ports, each chosen by the scheme of its URL.

mod connection;
mod open;

use std::sync::Arc;
use std::time::Duration;

use cache::SharedCache;
use clock::SharedClock;
use leases::{LeasedIds, WorkerLease};
use redis_engine::Redis;
use server::{Readiness, Role, WorkerWatch, Workers};
use streams::StreamLog;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::Settings;
use crate::store::LinkStore;
use crate::store::domain_rules::DomainRules;
use crate::store::slots::SlotStore;
use crate::store::statistics::StatisticsStore;
use crate::workers::ClickSpool;
use connection::Connection;
pub(crate) use connection::EngineError;
pub(crate) use open::check_urls;
pub use open::open_log;

/// How often an engine is probed, and how long it may take: together well within the 2 s in which `/readyz` must tell.
const PROBE: Duration = Duration::from_millis(500);

/// What opening an engine takes.
pub(crate) struct Opener<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) clock: &'a SharedClock,
}

/// A port, and the connection of the engine behind it.
pub(crate) struct Opened<P: ?Sized> {
    pub(crate) port: Arc<P>,
    pub(crate) connection: Arc<dyn Connection>,
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
    connections: Vec<Named>,
    lease_keeper: Workers,
}

/// A connection by the name that `/readyz` has for it.
struct Named {
    name: &'static str,
    connection: Arc<dyn Connection>,
    /// Whether the service can do most of its work without it for a while.
    is_optional: bool,
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

        let mut connections = vec![
            Named::required("store", stores.connection),
            Named::optional_if_remote("streams", log.connection),
            Named::optional_if_remote("leases", leases.connection),
        ];
        let shared_cache = shared_cache.map(|opened| {
            connections.push(Named::optional("cache", opened.connection));
            opened.port
        });
        let spool = spool.map(|opened| {
            connections.push(Named::required("spool", opened.connection));
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
        let mut readiness = Readiness::new(self.clock.clone());
        for named in &self.connections {
            let connection = Arc::clone(&named.connection);
            let probe = move || {
                let connection = Arc::clone(&connection);
                async move { connection.probe().await }
            };
            readiness = if named.is_optional {
                readiness.degraded_by(named.name, PROBE, PROBE, probe)
            } else {
                readiness.check(named.name, PROBE, PROBE, probe)
            };
        }
        readiness
    }

    /// The lease goes first: giving it back needs its engine.
    pub(crate) async fn close(self) {
        self.lease_keeper.stop().await;
        for named in self.connections {
            named.connection.close().await;
        }
    }
}

impl Named {
    fn required(name: &'static str, connection: Arc<dyn Connection>) -> Self {
        Self {
            name,
            connection,
            is_optional: false,
        }
    }

    fn optional(name: &'static str, connection: Arc<dyn Connection>) -> Self {
        Self {
            name,
            connection,
            is_optional: true,
        }
    }

    /// A file that cannot be written is this machine's trouble, which another machine may not have.
    fn optional_if_remote(name: &'static str, connection: Arc<dyn Connection>) -> Self {
        Self {
            name,
            is_optional: connection.is_remote(),
            connection,
        }
    }
}
