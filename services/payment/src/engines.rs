//! The engines behind the ports, each chosen by the scheme of its URL.

mod connection;
mod open;

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use leases::{LeasedIds, WorkerLease};
use server::{Readiness, Role, WorkerWatch, Workers};
use streams::StreamLog;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::Settings;
use crate::store::Database;
use crate::store::ledger::SharedLedger;
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

/// All that the service stands on, opened.
pub(crate) struct Engines {
    clock: SharedClock,
    /// Each port of the service is made of a handle to it.
    pub(crate) database: Database,
    pub(crate) ledger: SharedLedger,
    pub(crate) log: Arc<dyn StreamLog>,
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
        let database = opener.database().await?;
        let ledger = open::ledger(&database, &role.clock);
        let log = opener.log().await?;
        let leases = opener.leases().await?;
        let connections = vec![
            Named::required("database", Arc::new(database.clone())),
            Named::optional_if_remote("streams", log.connection),
            Named::optional_if_remote("leases", leases.connection),
        ];
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
            database,
            ledger,
            log: log.port,
            ids,
            watch,
            connections,
            lease_keeper,
        })
    }

    /// Without its database the service answers nothing. Elsewhere than on this machine, the stream and the leases may be away for
    /// a while: events wait in the outbox, ids go on until the lease ends.
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

    /// A file that cannot be written is this machine's trouble, which another machine may not have.
    fn optional_if_remote(name: &'static str, connection: Arc<dyn Connection>) -> Self {
        Self {
            name,
            is_optional: connection.is_remote(),
            connection,
        }
    }
}
