//! One open database file: a writer, some readers, a probe.

mod file;
mod log;
mod migrate;
mod probe;
mod verify;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clock::SharedClock;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use telemetry::{Operations, Telemetry};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::file::OpenedFile;
use crate::{Scoped, SqlError, SqliteSettings, noted};

/// Pause between two tries to open a file that another process has locked.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Prepared statements a connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// A handle to one database file; cheap to clone.
///
/// Writes go one after another through one connection ([`Sqlite::write`]), since SQLite admits one writer anyway and a
/// queue in memory is fairer than its lock. Reads run beside them on connections that cannot write ([`Sqlite::read`]).
#[derive(Clone)]
pub struct Sqlite {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) settings: SqliteSettings,
    pub(crate) operations: Operations,
    pub(crate) connect: SqliteConnectOptions,
    pub(crate) file: OpenedFile,
    /// `None` after an error that may have spoilt the connection, until the next write opens another.
    pub(crate) writer: Mutex<Option<SqliteConnection>>,
    pub(crate) readers: SqlitePool,
    pub(crate) probe: Arc<Mutex<Option<SqliteConnection>>>,
    /// Commits so far: proof for a probe that waits behind them that the engine writes.
    pub(crate) commits: AtomicU64,
    /// Set while the path leads elsewhere than to the open file.
    pub(crate) file_lost: AtomicBool,
    /// Set for good once closing has begun.
    pub(crate) closed: AtomicBool,
}

impl Inner {
    /// Refuses work that could not be kept.
    pub(crate) fn check_open(&self) -> Result<(), SqlError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(SqlError::Closed);
        }
        if self.file_lost.load(Ordering::Relaxed) {
            return Err(SqlError::FileLost);
        }
        Ok(())
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the file at `path`, made if it is not there (its folder must be): WAL, `synchronous=FULL`, foreign keys on.
    /// The file's stem names it in metrics and spans. A new file is for its owner's eyes only.
    pub async fn open(
        path: impl AsRef<Path>,
        settings: SqliteSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, SqlError> {
        Self::open_with(path.as_ref(), settings, telemetry, clock, false).await
    }

    /// As [`Sqlite::open`], for a file that has secrets: what is deleted or replaced is overwritten in it (`secure_delete`), at the price of writing
    /// pages that are given up. In the log it stays until [`Sqlite::empty_log`].
    pub async fn open_overwriting(
        path: impl AsRef<Path>,
        settings: SqliteSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, SqlError> {
        Self::open_with(path.as_ref(), settings, telemetry, clock, true).await
    }

    async fn open_with(
        path: &Path,
        settings: SqliteSettings,
        telemetry: Telemetry,
        clock: SharedClock,
        overwrites: bool,
    ) -> Result<Self, SqlError> {
        let path: PathBuf = path.to_owned();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut connect = connect_options(&path, &settings, &name);
        if overwrites {
            connect = connect.pragma("secure_delete", "ON");
        }
        // It names the file: whoever starts a service reads this first.
        let unusable = |error: std::io::Error| SqlError::Io(format!("{}: {error}", path.display()));
        OpenedFile::create(&path).map_err(unusable)?;

        // The writer comes first: it makes the file and puts it into WAL mode, which readers cannot.
        let writer = first_writer(&connect, settings.write_deadline()).await?;
        let file = OpenedFile::remember(&path).map_err(unusable)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers_max.max(1))
            .min_connections(0)
            .acquire_timeout(settings.acquire_timeout())
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone().create_if_missing(false).pragma("query_only", "1"));
        let operations = Operations::of(&telemetry, clock, "sqlite", &name);
        let inner = Inner {
            name,
            settings,
            operations,
            connect: connect.create_if_missing(false),
            file,
            writer: Mutex::new(Some(writer)),
            readers,
            probe: Arc::default(),
            commits: AtomicU64::new(0),
            file_lost: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The file's stem, as metrics and spans name it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Runs `body` on a connection that can only read, operation under `name`. Each statement sees what was committed
    /// before it began; begin a transaction in `body` where several must see the same.
    ///
    /// ```no_run
    /// # async fn example(sql: &sql::Sqlite, code: &str) -> Result<Option<String>, sql::SqlError> {
    /// let query = "SELECT url FROM link WHERE code = ?";
    /// sql.read("find_link", |conn| {
    ///     sql::scoped(async move { Ok(sqlx::query_scalar(query).bind(code).fetch_optional(conn).await?) })
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn read<'env, T, E, F>(&self, name: &'static str, body: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        self.read_within(self.inner.settings.read_deadline(), name, body)
            .await
    }

    pub(crate) async fn read_within<'env, T, E, F>(
        &self,
        limit: Duration,
        name: &'static str,
        body: F,
    ) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Scoped<'env, 'c, Result<T, E>>,
        E: From<SqlError>,
    {
        let mut operation = self.inner.operations.begin(name);
        let mut connection = self.inner.readers.acquire().await.map_err(|error| {
            let error = SqlError::from(error);
            operation.failed(error.code());
            error
        })?;
        let outcome = timeout(limit, noted::run(body(&mut connection)))
            .await
            .map_err(|_| {
                operation.failed(SqlError::Deadline.code());
                SqlError::Deadline
            })?;
        match outcome {
            Ok(answer) => {
                operation.ok();
                Ok(answer)
            }
            Err((error, noted)) => {
                if let Some(noted) = noted {
                    operation.failed(noted.code);
                }
                Err(error)
            }
        }
    }

    /// The readers themselves, for streaming reads; nothing is operation. They cannot write.
    pub fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    /// Closes all connections, after a last checkpoint. What is begun later is refused; what still runs is waited for, as
    /// long as a write may take.
    pub async fn close(&self) {
        let inner = &self.inner;
        inner.closed.store(true, Ordering::Relaxed);
        let close = async {
            inner.readers.close().await;
            for slot in [&*inner.probe, &inner.writer] {
                let Some(connection) = slot.lock().await.take() else {
                    continue;
                };
                if let Err(error) = connection.close().await {
                    tracing::warn!(database = inner.name, %error, "a connection did not close cleanly");
                }
            }
        };
        if timeout(inner.settings.write_deadline(), close).await.is_err() {
            tracing::warn!(
                database = inner.name,
                "not every connection was given back before the end"
            );
        }
    }
}

/// Opens the file for writing. Whoever had it open before may still be closing it, or bringing its log in order.
async fn first_writer(
    connect: &SqliteConnectOptions,
    patience: Duration,
) -> Result<SqliteConnection, SqlError> {
    let deadline = Instant::now() + patience;
    let open = async || {
        let mut writer = connect.connect().await?;
        probe::prepare(&mut writer).await?;
        Ok(writer)
    };
    loop {
        match timeout_at(deadline, open()).await {
            Ok(Err(SqlError::Busy)) if Instant::now() < deadline => sleep(BUSY_PAUSE).await,
            Ok(outcome) => return outcome,
            Err(_) => return Err(SqlError::Busy),
        }
    }
}

fn connect_options(path: &Path, settings: &SqliteSettings, name: &str) -> SqliteConnectOptions {
    let thread = format!("sqlite-{name}");
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(settings.busy_timeout())
        .statement_cache_capacity(STATEMENTS_KEPT)
        .pragma("cache_size", format!("-{}", settings.cache_kib))
        .pragma(
            "journal_size_limit",
            (u64::from(settings.wal_kib_max) * 1024).to_string(),
        )
        .thread_name(move |id| format!("{thread}-{id}"))
        .disable_statement_logging()
}
