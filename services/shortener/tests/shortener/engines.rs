//! Where a service keeps its data: files in a folder of its own or, under `ORRERY_TEST_ENGINES=real`, the shared engines.
//!
//! A folder leases one of a few sets of names there (keyspace, streams, cached keys) for as long as it lives. Tables are slow to
//! make and cost the server memory, so a set is emptied before it is leased again instead of made anew.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::SystemClock;
use config::Secret;
use shortener::Settings;
use shortener::store::cql::{self, CqlLinkStore};
use telemetry::{Telemetry, TelemetrySettings};
use tempfile::TempDir;
use testkit::engines::{self, Kind, are_real};
use testkit::service::delete_streams;
use testkit::skips;
use wide::{Level, Statement, Wide, WideSettings};

/// Sets of names; more folders than these wait for each other.
const SETS: usize = 4;
const LEASE_PATIENCE: Duration = Duration::from_mins(2);
const LEASE_POLL: Duration = Duration::from_millis(20);

/// Every table of the store.
const TABLES: [Statement; 10] = [
    truncate("TRUNCATE {keyspace}.links"),
    truncate("TRUNCATE {keyspace}.links_by_tenant"),
    truncate("TRUNCATE {keyspace}.link_clicks"),
    truncate("TRUNCATE {keyspace}.applied_events"),
    truncate("TRUNCATE {keyspace}.idempotency"),
    truncate("TRUNCATE {keyspace}.code_space"),
    truncate("TRUNCATE {keyspace}.domain_rules"),
    truncate("TRUNCATE {keyspace}.statistics_pages"),
    truncate("TRUNCATE {keyspace}.statistics_heads"),
    truncate("TRUNCATE {keyspace}.visitor_keys"),
];

const fn truncate(cql: &'static str) -> Statement {
    Statement::write("truncate", cql, Level::All).idempotent()
}

/// Whether the case has to go without real engines, which is then said.
pub(crate) fn embedded_only(why: &str) -> bool {
    if are_real() {
        let thread = std::thread::current();
        skips::ran_embedded(thread.name().unwrap_or("a test"), why);
    }
    are_real()
}

/// A service's data, also over a restart.
pub(crate) struct Folder {
    files: TempDir,
    names: Option<Names>,
}

impl Folder {
    pub(crate) async fn fresh() -> Arc<Self> {
        let names = if are_real() {
            Some(Box::pin(Names::lease()).await)
        } else {
            None
        };
        let files = tempfile::tempdir().unwrap();
        Arc::new(Self { files, names })
    }

    pub(crate) fn path(&self) -> &Path {
        self.files.path()
    }

    /// Settings of a service on this data.
    pub(crate) fn settings(&self) -> Settings {
        let file = |name: &str| format!("sqlite:{}", self.path().join(name).display());
        let mut settings = Settings {
            database_url: file("shortener.db"),
            streams_url: file("streams.db"),
            leases_url: file("leases.db"),
            code_key: Secret::default(),
            code_key_file: self.path().join("shortener.key").display().to_string(),
            public_url: "http://sho.rt".to_owned(),
            ..Settings::default()
        };
        if let Some(names) = &self.names {
            settings.database_url.clone_from(&names.cql);
            settings.streams_url.clone_from(&names.nats);
            settings.leases_url.clone_from(&names.nats);
            settings.cache_url.clone_from(&names.redis);
            settings.clicks.spool_url = file("spool.db");
            // A busy machine is not to look like a cache that is lost: what happens then has tests of its own.
            settings.redis.quick_deadline_ms = 2_000;
            settings.shared_cache.read_timeout_ms = 2_000;
            settings.shared_cache.write_timeout_ms = 2_000;
        }
        settings
    }
}

/// A leased set of names, as URLs.
struct Names {
    cql: String,
    nats: String,
    redis: String,
    /// Locked while the set is leased; a killed process lets go of it too.
    _lock: File,
}

impl Names {
    async fn lease() -> Self {
        let (set, lock) = lock_one().await;
        let names = Self {
            cql: format!("{}/{}_{set}", engines::needed(Kind::Cql), schema()),
            nats: format!("{}?prefix=shortener_api_{set}", engines::needed(Kind::Nats)),
            // What is cached goes by itself.
            redis: format!(
                "{}/0?prefix={}",
                engines::needed(Kind::Redis),
                engines::fresh_name("api")
            ),
            _lock: lock,
        };
        let (tables, streams) = tokio::join!(names.empty_tables(), delete_streams(&names.nats));
        tables.unwrap();
        streams.unwrap();
        names
    }

    async fn empty_tables(&self) -> Result<(), String> {
        let settings = WideSettings::default();
        let wide = Wide::connect(&self.cql, settings, telemetry(), SystemClock::shared()).await;
        let wide = wide.map_err(|error| error.to_string())?;
        let store = CqlLinkStore::open(wide.clone()).await;
        store.map_err(|error| error.to_string())?;
        for table in &TABLES {
            wide.execute(table, ()).await.map_err(|error| error.to_string())?;
        }
        wide.close().await;
        Ok(())
    }
}

/// Another process may run the suite at the same time.
async fn lock_one() -> (usize, File) {
    let deadline = tokio::time::Instant::now() + LEASE_PATIENCE;
    loop {
        for set in 0..SETS {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shortener-api-{set}.lock"));
            let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            if file.try_lock().is_ok() {
                return (set, file);
            }
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "all {SETS} sets of names stay leased"
        );
        tokio::time::sleep(LEASE_POLL).await;
    }
}

/// The keyspaces are named after the schema: an edited one makes others.
fn schema() -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    for step in cql::MIGRATIONS {
        step.cql.hash(&mut hasher);
    }
    format!("shortener_api_{:016x}", hasher.finish())
}

fn telemetry() -> Telemetry {
    let settings = TelemetrySettings::default();
    Telemetry::new("names", "test", &settings, SystemClock::shared()).unwrap()
}
