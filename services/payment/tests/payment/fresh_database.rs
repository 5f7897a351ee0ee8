//! A database of a test's own, on each engine there is.

use std::sync::Arc;

use clock::{ManualClock, SharedClock};
use payment::store::Database;
use sql::{DatabaseUrl, PostgresSettings, SqliteSettings};
use sqlx::Connection as _;
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};

/// Where the clocks of these tests begin.
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;

/// A database, the clock it was opened with, and what is to be removed in the end.
pub(crate) struct Fresh {
    pub(crate) database: Database,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) file: Option<std::path::PathBuf>,
    folder: tempfile::TempDir,
    pub(crate) schema: Option<(String, String)>,
    /// Where it has a whole database to itself: the server, and the name.
    alone: Option<(String, String)>,
}

impl Fresh {
    /// On a file, and where there is a server, in a schema.
    pub(crate) async fn each(case: &str) -> Vec<Self> {
        let mut all = vec![Self::on_file().await];
        if let Some(base) = engines::url(Kind::Postgres, case) {
            all.push(Self::on_postgres(base).await);
        }
        all
    }

    /// As [`Fresh::each`], on a server in a database of its own: what others read elsewhere holds up nothing here.
    pub(crate) async fn each_alone(case: &str) -> Vec<Self> {
        let mut all = vec![Self::on_file().await];
        if let Some(base) = engines::url(Kind::Postgres, case) {
            let name = engines::fresh_name("alone");
            execute(&base, format!("CREATE DATABASE {name}")).await;
            let (server, _) = base.rsplit_once('/').expect("a database in the URL");
            let mut fresh = Self::on_postgres(format!("{server}/{name}")).await;
            fresh.alone = Some((base, name));
            all.push(fresh);
        }
        all
    }

    async fn on_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payment.db");
        let url = format!("sqlite:{}", file.display());
        Self::open(&url, folder, None, Some(file)).await
    }

    async fn on_postgres(base: String) -> Self {
        let schema = engines::fresh_name("payment");
        let url = format!("{base}?schema={schema}");
        Self::open(&url, tempfile::tempdir().unwrap(), Some((base, schema)), None).await
    }

    async fn open(
        url: &str,
        folder: tempfile::TempDir,
        schema: Option<(String, String)>,
        file: Option<std::path::PathBuf>,
    ) -> Self {
        let clock = ManualClock::at(NOW_MS);
        let shared: SharedClock = clock.clone();
        let settings = TelemetrySettings::default();
        let telemetry = Telemetry::new("payment", "test", &settings, shared.clone()).unwrap();
        let parsed = DatabaseUrl::parse(url).unwrap();
        let (sqlite, postgres) = (SqliteSettings::default(), PostgresSettings::default());
        let database = Database::open(&parsed, url, sqlite, postgres, telemetry, shared);
        Self {
            database: database.await.unwrap(),
            clock,
            file,
            folder,
            schema,
            alone: None,
        }
    }

    pub(crate) fn shared_clock(&self) -> SharedClock {
        self.clock.clone()
    }

    /// A name in a folder of its own.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// All that the vault's tables hold: the bytes of the file and its log, or every row as text.
    pub(crate) async fn everything(&self) -> Vec<u8> {
        if let Some(file) = &self.file {
            let mut bytes = std::fs::read(file).unwrap();
            bytes.extend(std::fs::read(file.with_extension("db-wal")).unwrap_or_default());
            return bytes;
        }
        let Database::Postgres(sql) = &self.database else {
            panic!("a file or a schema");
        };
        let rows = sql.read("test", |conn| {
            sql::scoped(async move {
                let query = "SELECT r::text FROM vault_record r UNION ALL SELECT p::text FROM vault_person p
                     UNION ALL SELECT k::text FROM vault_tenant_key k";
                let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(conn).await?;
                Ok::<_, sql::SqlError>(rows)
            })
        });
        rows.await.unwrap().concat().into_bytes()
    }

    /// Runs statements, as somebody at the database would.
    pub(crate) async fn run(&self, statements: &'static str) {
        let done = match &self.database {
            Database::Sqlite(sql) => {
                sql.write("test", |tx| {
                    sql::scoped(async move {
                        sqlx::raw_sql(statements).execute(tx).await?;
                        Ok::<_, sql::SqlError>(())
                    })
                })
                .await
            }
            Database::Postgres(sql) => {
                sql.write("test", |tx| {
                    sql::scoped(async move {
                        sqlx::raw_sql(statements).execute(tx).await?;
                        Ok::<_, sql::SqlError>(())
                    })
                })
                .await
            }
        };
        done.unwrap();
    }

    /// Runs a statement outside of any transaction, on a connection of its own, as who made the tables.
    pub(crate) async fn run_alone(&self, statement: impl sqlx::SqlSafeStr) {
        let (base, _) = self.schema.as_ref().expect("on a server");
        let mut connection = sqlx::PgConnection::connect(base).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The same schema by another user, who is to make nothing.
    pub(crate) async fn connected(&self, url: &str) -> Database {
        let settings = TelemetrySettings::default();
        let telemetry = Telemetry::new("payment", "test", &settings, self.shared_clock()).unwrap();
        let postgres = PostgresSettings::default();
        let sql = sql::Postgres::connect(url, postgres, telemetry, self.shared_clock());
        Database::Postgres(sql.await.unwrap())
    }

    /// Leaves nothing behind.
    pub(crate) async fn remove(self) {
        self.database.close().await;
        if let Some((base, schema)) = self.schema {
            execute(&base, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        }
        if let Some((base, name)) = self.alone {
            execute(&base, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

async fn execute(url: &str, statement: String) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}
