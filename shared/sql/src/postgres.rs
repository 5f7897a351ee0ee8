//! One PostgreSQL database, or one schema of it: readers, writers, a probe.

mod call;
mod migrate;
mod pool;
mod probe;
mod read;
mod rewrite;
mod session;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clock::SharedClock;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use telemetry::{Counts, Operations, Telemetry};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use self::pool::Pool;
pub use self::rewrite::Rewritten;
use self::session::Sessions;
use crate::error::Cause;
use crate::url::postgres_url;
use crate::{PostgresSettings, SqlError};

/// A handle to one database; cheap to clone.
///
/// Reads and writes have connections of their own, so that neither waits for the other's; a reader's cannot write. All of
/// them open by themselves when they are needed, again after the server was away.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    schema: String,
    settings: PostgresSettings,
    operations: Operations,
    retries: Counts,
    readers: Arc<Pool>,
    writers: Arc<Pool>,
    probe_session: PgConnectOptions,
    /// For what may take as long as a migration.
    chore_session: PgConnectOptions,
    /// The probe's own connection, so that it does not queue behind what it watches.
    probe: Mutex<Option<PgConnection>>,
    /// Set for good once closing has begun.
    closed: AtomicBool,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    Operations::register(telemetry);
    retries(telemetry);
}

fn retries(telemetry: &Telemetry) -> Counts {
    Counts::register(
        telemetry,
        "db_client_retries",
        "Transactions that were run again, by what had been in their way",
        &["database", "operation", "cause"],
    )
}

impl Postgres {
    /// Connects to `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`. Waits for a server that is away for as long as
    /// `connect_timeout_ms`. The schema need not be there yet: [`Postgres::migrate`] makes it.
    pub async fn connect(
        url: &str,
        settings: PostgresSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, SqlError> {
        let url = postgres_url(url)?;
        let name = url.name();
        let sessions = Sessions::of(&url, &settings);
        let pool = |session, size| Pool::new(session, size, settings.acquire_timeout(), settings.idle_max());
        let inner = Inner {
            schema: url.schema,
            operations: Operations::of(&telemetry, clock, "postgresql", &name),
            name,
            retries: retries(&telemetry),
            readers: pool(sessions.reader, settings.readers_max),
            writers: pool(sessions.writer, settings.writers_max),
            probe_session: sessions.probe,
            chore_session: sessions.chore,
            probe: Mutex::default(),
            closed: AtomicBool::new(false),
            settings,
        };
        let deadline = Instant::now() + inner.settings.connect_timeout();
        inner.writers.lend_within(deadline).await?.give_back();
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The database, and its schema where that is not `public`, as metrics and spans name it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Closes all connections. What is begun later is refused; what still runs is waited for, as long as a write may take.
    pub async fn close(&self) {
        let inner = &self.inner;
        inner.closed.store(true, Ordering::Relaxed);
        let close = async {
            inner.readers.close().await;
            inner.writers.close().await;
            drop(inner.probe.lock().await.take());
        };
        if timeout(inner.settings.write_deadline(), close).await.is_err() {
            tracing::warn!(
                database = inner.name,
                "not every connection was given back before the end"
            );
        }
    }
}

impl Inner {
    /// Something is run again: counted, and what is left of a lost server's connections is dropped.
    fn retried(&self, operation: &str, cause: Cause) {
        self.retries.inc(&[&self.name, operation, cause.name()]);
        if cause == Cause::ConnectionLost {
            self.readers.forget_rested();
            self.writers.forget_rested();
        }
    }
}
