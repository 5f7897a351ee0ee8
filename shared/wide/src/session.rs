//! The session: connections, prepared statements, and the bound on what is under way.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};

use clock::SharedClock;
use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::prepared::PreparedStatement;
use telemetry::{Operations, Telemetry};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::retry::Cautious;
use crate::translate::Translations;
use crate::url::WideUrl;
use crate::{Dialect, Statement, WideError, WideSettings, error, keyspace};

/// A session with a CQL cluster; cheap to clone. It reconnects by itself.
///
/// ```no_run
/// use wide::{Level, Serial, Statement, Wide};
///
/// const FIND: Statement =
///     Statement::read("find_link", "SELECT url, clicks FROM {keyspace}.links WHERE code = ?", Level::LocalQuorum);
/// const CLAIM: Statement = Statement::conditional(
///     "claim_code",
///     "INSERT INTO {keyspace}.links (code, url, id) VALUES (?, ?, ?) IF NOT EXISTS",
///     Level::Quorum,
///     Serial::Global,
/// );
///
/// # async fn example(wide: &Wide) -> Result<(), wide::WideError> {
/// let applied = wide.conditional(&CLAIM, ("abc", "https://example.org/", 7_i64)).await?;
/// if !applied.applied {
///     let theirs: Option<i64> = applied.row().and_then(|row| row.get("id").transpose()).transpose()?;
///     println!("taken by {theirs:?}");
/// }
/// let found: Option<(String, Option<i64>)> = wide.row(&FIND, ("abc",)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Wide {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) url: WideUrl,
    pub(crate) settings: WideSettings,
    pub(crate) clock: SharedClock,
    pub(crate) operations: Operations,
    pub(crate) dialect: Dialect,
    /// `None` once it was closed.
    session: RwLock<Option<Arc<Session>>>,
    prepared: RwLock<HashMap<Statement, PreparedStatement>>,
    under_way: Semaphore,
}

impl fmt::Debug for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wide")
            .field("keyspace", &self.inner.url.keyspace)
            .field("dialect", &self.inner.dialect)
            .finish_non_exhaustive()
    }
}

impl Wide {
    /// Connects to the cluster of `scylla://HOST:PORT,HOST2:PORT/KEYSPACE?replication=3&datacenter=NAME&translate=FROM=TO`;
    /// all after the hosts may be left out. The keyspace need not be there yet: [`Wide::migrate`] makes
    /// it. A cluster that does not answer within `connect_timeout_ms` is an error.
    pub async fn connect(
        url: &str,
        settings: WideSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, WideError> {
        let url = WideUrl::parse(url)?;
        let connecting = async {
            let session = build(&url, &settings).await?;
            let dialect = keyspace::dialect(&session).await?;
            Ok::<_, WideError>((session, dialect))
        };
        let connected = timeout(settings.connect_timeout(), connecting).await;
        let (session, dialect) = connected.map_err(|_| WideError::Deadline)??;
        let operations = Operations::of(&telemetry, clock.clone(), "cassandra", &url.keyspace);
        let under_way = Semaphore::new(settings.requests_max.max(1) as usize);
        let inner = Inner {
            url,
            settings,
            clock,
            operations,
            dialect,
            session: RwLock::new(Some(Arc::new(session))),
            prepared: RwLock::default(),
            under_way,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The keyspace that `{keyspace}` stands for.
    pub fn keyspace(&self) -> &str {
        &self.inner.url.keyspace
    }

    /// Which server this is.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// The limits and deadlines it runs with.
    pub fn settings(&self) -> &WideSettings {
        &self.inner.settings
    }

    /// Prepares statements ahead, so that one that does not fit the schema shows at the start and not with its first use.
    pub async fn prepare(&self, statements: &[&Statement]) -> Result<(), WideError> {
        let deadline = Instant::now() + self.inner.settings.connect_timeout();
        for statement in statements {
            self.inner.prepared(statement, deadline).await?;
        }
        Ok(())
    }

    /// Ends the session: what is begun later is refused, and the connections close once what is under way has ended (for
    /// which it waits, as long as a write may take).
    pub async fn close(&self) {
        let inner = &self.inner;
        let session = inner
            .session
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let all = inner.settings.requests_max.max(1);
        let ended = timeout(inner.settings.write_deadline(), inner.under_way.acquire_many(all)).await;
        if ended.is_err() {
            tracing::warn!(
                keyspace = inner.url.keyspace,
                "requests were under way at the end"
            );
        }
        drop(session);
    }
}

impl Inner {
    pub(crate) fn session(&self) -> Result<Arc<Session>, WideError> {
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner);
        session.clone().ok_or(WideError::Closed)
    }

    /// Room for one request more.
    pub(crate) async fn admitted(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, WideError> {
        match timeout_at(deadline, self.under_way.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(WideError::Closed),
            Err(_) => Err(WideError::Overloaded),
        }
    }

    /// The statement as the cluster knows it, prepared at its first use.
    pub(crate) async fn prepared(
        &self,
        statement: &Statement,
        deadline: Instant,
    ) -> Result<PreparedStatement, WideError> {
        let kept = {
            let prepared = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
            prepared.get(statement).cloned()
        };
        if let Some(prepared) = kept {
            return Ok(prepared);
        }
        let session = self.session()?;
        let text = self.text(statement.cql);
        let mut prepared = timeout_at(deadline, session.prepare(text))
            .await
            .map_err(|_| WideError::Deadline)?
            .map_err(error::prepare)?;
        prepared.set_consistency(statement.consistency.of_driver());
        prepared.set_serial_consistency(statement.serial.of_driver());
        // The driver repeats and speculates with what is idempotent. A write of ours is repeated here instead
        // (`execute`), where what an earlier try may have done is not forgotten.
        prepared.set_is_idempotent(statement.idempotent && statement.effect() == error::Effect::Read);
        let mut kept = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(*statement, prepared.clone());
        Ok(prepared)
    }

    /// `cql` with the keyspace's name in place.
    pub(crate) fn text(&self, cql: &str) -> String {
        cql.replace("{keyspace}", &self.url.keyspace)
    }
}

async fn build(url: &WideUrl, settings: &WideSettings) -> Result<Session, WideError> {
    let mut profile = ExecutionProfile::builder()
        // Each call here has a deadline of its own, which covers waiting and preparing too.
        .request_timeout(None)
        .retry_policy(Arc::new(Cautious));
    if settings.speculate_after_ms > 0 {
        profile = profile.speculative_execution_policy(Some(Arc::new(SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: std::time::Duration::from_millis(settings.speculate_after_ms),
        })));
    }
    let connections = usize::try_from(settings.connections_per_shard).unwrap_or(1);
    let connections = NonZeroUsize::new(connections).unwrap_or(NonZeroUsize::MIN);
    let mut builder = SessionBuilder::new()
        .known_nodes(&url.hosts)
        .default_execution_profile_handle(profile.build().into_handle())
        .pool_size(PoolSize::PerShard(connections))
        .connection_timeout(settings.connect_timeout() / 2)
        .keepalive_interval(settings.keepalive())
        .keepalive_timeout(settings.keepalive())
        .schema_agreement_timeout(settings.change_deadline())
        // Tables and columns are in the code; the driver needs the keyspace's replication only.
        .keyspaces_to_fetch([url.keyspace.clone()]);
    if let Some(datacenter) = &url.datacenter {
        builder = builder.prefer_datacenter(datacenter.clone());
    }
    if !url.translate.is_empty() {
        builder = builder.address_translator(Arc::new(Translations(url.translate.clone())));
    }
    builder
        .build()
        .await
        .map_err(|error| WideError::Unavailable(error.to_string()))
}
