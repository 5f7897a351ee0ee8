//! The engines behind the ports, each chosen by the scheme of its URL.

mod open;

use std::sync::Arc;

use clock::SharedClock;
use leases::{LeasedIds, WorkerLease};
use server::{Connections, Readiness, Role, WorkerWatch, Workers};
use streams::StreamLog;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::Settings;
use crate::store::Database;
use crate::store::ledger::SharedLedger;
pub(crate) use open::check_urls;
pub use open::open_log;

/// What opening an engine takes.
pub(crate) struct Opener<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) clock: &'a SharedClock,
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
        let database = opener.database().await?;
        let ledger = open::ledger(&database, &role.clock);
        let log = opener.log().await?;
        let leases = opener.leases().await?;
        let mut connections = Connections::default();
        connections.require("database", database.connection());
        connections.prefer_if_remote("streams", log.connection);
        connections.prefer_if_remote("leases", leases.connection);
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
        self.connections.readiness(self.clock.clone())
    }

    /// The lease goes first: giving it back needs its engine.
    pub(crate) async fn close(self) {
        self.lease_keeper.stop().await;
        self.connections.close().await;
    }
}
