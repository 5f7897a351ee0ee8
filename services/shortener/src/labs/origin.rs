//! Where the links of a lab are: an SQLite file as far away as the lab wants it to be, which counts its reads itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lab::{Bench, LabError, Meter};
use sql::{Migration, Sqlite, SqliteSettings, scoped};
use tokio::sync::Semaphore;
use tokio::time::timeout;

static MIGRATIONS: &[Migration] = &[Migration::expand(
    1,
    "links of a lab",
    "CREATE TABLE links (code TEXT PRIMARY KEY, url TEXT NOT NULL) WITHOUT ROWID",
)];

/// How long a read may wait for a seat and take.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Links written in one transaction.
const BATCH: usize = 500;

/// How the origin answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Reads it carries out at once, as a pool of connections has it; the others wait.
    pub(super) seats: usize,
    /// How long a read takes at least: the network, the disk, the plan.
    pub(super) takes: Duration,
    /// The steps of time in which reads are counted.
    pub(super) step: Duration,
}

pub(super) struct Origin {
    sql: Sqlite,
    seats: Semaphore,
    takes: Duration,
    /// Reads that were asked for, counted here and not where they are saved.
    pub(super) reads: Meter,
    /// Those of them that found nothing.
    pub(super) in_vain: AtomicU64,
}

impl Origin {
    /// A new file with these links in it.
    pub(super) async fn open(
        bench: &Bench,
        name: &str,
        shape: Shape,
        codes: &[String],
    ) -> Result<Arc<Self>, LabError> {
        let path = bench.scratch().join(format!("{name}.db"));
        let opened = Sqlite::open(
            path,
            SqliteSettings::default(),
            bench.telemetry.clone(),
            bench.clock.clone(),
        );
        let sql = opened.await.map_err(LabError::while_("opening the origin"))?;
        sql.migrate(MIGRATIONS)
            .await
            .map_err(LabError::while_("making the origin's table"))?;
        for batch in codes.chunks(BATCH) {
            insert(&sql, batch)
                .await
                .map_err(LabError::while_("filling the origin"))?;
        }
        Ok(Arc::new(Self {
            sql,
            seats: Semaphore::new(shape.seats),
            takes: shape.takes,
            reads: Meter::new(&bench.clock, shape.step),
            in_vain: AtomicU64::new(0),
        }))
    }

    /// Where a code leads, if it is there.
    pub(super) async fn read(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        let _counted = self.reads.begin();
        let read = async {
            let _seat = self.seats.acquire().await.map_err(|error| error.to_string())?;
            tokio::time::sleep(self.takes).await;
            let found: Result<Option<String>, sql::SqlError> = self
                .sql
                .read("read_link", |conn| {
                    scoped(async move {
                        let query = sqlx::query_scalar("SELECT url FROM links WHERE code = ?");
                        Ok(query.bind(code).fetch_optional(conn).await?)
                    })
                })
                .await;
            if matches!(found, Ok(None)) {
                self.in_vain.fetch_add(1, Ordering::Relaxed);
            }
            found
                .map(|url| url.map(Arc::from))
                .map_err(|error| error.to_string())
        };
        timeout(READ_DEADLINE, read)
            .await
            .unwrap_or_else(|_| Err("the origin did not answer in time".to_owned()))
    }
}

async fn insert(sql: &Sqlite, codes: &[String]) -> Result<(), sql::SqlError> {
    sql.write("fill_links", |tx| {
        scoped(async move {
            for code in codes {
                let query = sqlx::query("INSERT INTO links (code, url) VALUES (?, ?)");
                let url = format!("https://example.com/{code}");
                query.bind(code).bind(url).execute(&mut *tx).await?;
            }
            Ok(())
        })
    })
    .await
}
