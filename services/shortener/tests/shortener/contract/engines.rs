//! The engines that the suite runs on.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use clock::SystemClock;
use shortener::store::cql::{self, CqlDomainRules, CqlLinkStore, CqlSlots, CqlStatistics};
use shortener::store::domain_rules::DomainRules;
use shortener::store::slots::SlotStore;
use shortener::store::sqlite::{SqliteDomainRules, SqliteLinkStore, SqliteSlots, SqliteStatistics};
use shortener::store::statistics::StatisticsStore;
use sql::{Sqlite, SqliteSettings};
use telemetry::{Telemetry, TelemetrySettings};
use tempfile::TempDir;
use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;
use wide::{Wide, WideSettings};

use super::{LinkStore, Names};
use crate::harness::Blocked;

/// What the suite needs of an engine.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Opens the data, as another process would.
    async fn open(&self) -> Arc<dyn LinkStore>;
    /// Opens the slots of the same data, as another process would.
    async fn slots(&self) -> Arc<dyn SlotStore>;
    /// Opens the statistics of the same data, as another process would.
    async fn statistics(&self) -> Arc<dyn StatisticsStore>;
    /// Opens the rules on domains in the same data, as another process would.
    async fn rules(&self) -> Arc<dyn DomainRules>;
    /// Takes the engine away until the cut is healed.
    async fn lost(&self) -> Cut;
    /// What collecting garbage answers, call by call, given the rows that are there to be forgotten.
    fn collects(&self, rows: &[u64]) -> Vec<u64>;
}

/// An engine that is away.
pub(crate) struct Cut(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Cut {
    pub(crate) async fn release(self) {
        self.0.await;
    }
}

/// A store of its own.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn LinkStore>,
    pub(super) engine: Box<dyn Engine>,
    pub(super) names: Names,
}

impl Fixture {
    pub(crate) async fn sqlite(_: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self::of(Box::new(File(folder)), Names::fresh()).await)
    }

    pub(crate) async fn cql(test: &str) -> Option<Self> {
        let keyspace = Keyspace::of(test).await?;
        let names = keyspace.names;
        Some(Self::of(Box::new(keyspace), names).await)
    }

    async fn of(engine: Box<dyn Engine>, names: Names) -> Self {
        let store = engine.open().await;
        Self { store, engine, names }
    }

    /// The same data through a new handle, as another process would see it.
    pub(super) async fn another(&self) -> Arc<dyn LinkStore> {
        self.engine.open().await
    }

    /// The slots of the same data, as another process would see them.
    pub(super) async fn slots(&self) -> Arc<dyn SlotStore> {
        self.engine.slots().await
    }

    /// The statistics of the same data, as another process would see them.
    pub(super) async fn statistics(&self) -> Arc<dyn StatisticsStore> {
        self.engine.statistics().await
    }

    /// The rules on domains in the same data, as another process would see them.
    pub(super) async fn rules(&self) -> Arc<dyn DomainRules> {
        self.engine.rules().await
    }

    /// Takes the engine away until the guard is released.
    pub(super) async fn lost(&self) -> Cut {
        self.engine.lost().await
    }
}

pub(super) fn telemetry() -> Telemetry {
    let clock = SystemClock::shared();
    Telemetry::new("contract", "test", &TelemetrySettings::default(), clock).unwrap()
}

/// A file.
struct File(TempDir);

impl File {
    async fn connect(&self) -> Sqlite {
        let settings = SqliteSettings {
            write_deadline_ms: 1_000,
            busy_timeout_ms: 50,
            ..SqliteSettings::default()
        };
        let path = self.0.path().join("shortener.db");
        let file = Sqlite::open(path, settings, telemetry(), SystemClock::shared()).await;
        file.unwrap()
    }
}

#[async_trait]
impl Engine for File {
    async fn open(&self) -> Arc<dyn LinkStore> {
        Arc::new(SqliteLinkStore::open(self.connect().await).await.unwrap())
    }

    async fn slots(&self) -> Arc<dyn SlotStore> {
        Arc::new(SqliteSlots::new(self.connect().await))
    }

    async fn rules(&self) -> Arc<dyn DomainRules> {
        Arc::new(SqliteDomainRules::new(self.connect().await))
    }

    async fn statistics(&self) -> Arc<dyn StatisticsStore> {
        Arc::new(SqliteStatistics::new(self.connect().await))
    }

    async fn lost(&self) -> Cut {
        let blocked = Blocked::new(self.0.path().join("shortener.db")).await;
        Cut(Box::pin(blocked.release()))
    }

    fn collects(&self, rows: &[u64]) -> Vec<u64> {
        rows.to_vec()
    }
}

/// A keyspace behind a proxy. All cases share it, and so do all runs with the same schema: tables are slow to make.
pub(super) struct Keyspace {
    pub(super) names: Names,
    pub(super) proxy: Arc<FaultProxy>,
    engine: SocketAddr,
}

impl Keyspace {
    pub(super) async fn of(test: &str) -> Option<Self> {
        let engine = engines::address(Kind::Cql, test)?;
        Some(Self {
            names: Names::fresh(),
            proxy: Arc::new(FaultProxy::to(engine).await),
            engine,
        })
    }

    pub(super) async fn connect(&self) -> Wide {
        self.connect_within(5_000).await
    }

    /// With deadlines of its own.
    pub(super) async fn connect_within(&self, deadline_ms: u64) -> Wide {
        connect(self.proxy.address(), self.engine, deadline_ms).await
    }
}

/// A session through what stands before the engine.
pub(super) async fn connect(before: SocketAddr, engine: SocketAddr, deadline_ms: u64) -> Wide {
    let settings = WideSettings {
        requests_max: 64,
        read_deadline_ms: deadline_ms,
        write_deadline_ms: deadline_ms,
        ..WideSettings::default()
    };
    let url = format!("scylla://{before}/{}?translate={engine}={before}", keyspace());
    let connected = Wide::connect(&url, settings, telemetry(), SystemClock::shared()).await;
    connected.unwrap()
}

/// Named after the schema: an edited one makes another.
fn keyspace() -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    for step in cql::MIGRATIONS {
        step.cql.hash(&mut hasher);
    }
    format!("shortener_contract_{:016x}", hasher.finish())
}

#[async_trait]
impl Engine for Keyspace {
    async fn open(&self) -> Arc<dyn LinkStore> {
        let store = CqlLinkStore::open(self.connect().await).await.unwrap();
        Arc::new(store.in_code_space(&self.names.space()))
    }

    async fn slots(&self) -> Arc<dyn SlotStore> {
        Arc::new(CqlSlots::new(self.connect().await))
    }

    async fn rules(&self) -> Arc<dyn DomainRules> {
        Arc::new(CqlDomainRules::new(self.connect().await))
    }

    async fn statistics(&self) -> Arc<dyn StatisticsStore> {
        let statistics = CqlStatistics::new(self.connect().await, 0);
        Arc::new(statistics.in_space(&self.names.space()))
    }

    async fn lost(&self) -> Cut {
        self.proxy.cut();
        let proxy = Arc::clone(&self.proxy);
        Cut(Box::pin(async move { proxy.heal() }))
    }

    fn collects(&self, _: &[u64]) -> Vec<u64> {
        vec![0]
    }
}
