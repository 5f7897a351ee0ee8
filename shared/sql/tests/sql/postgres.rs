//! PostgreSQL, each test in a schema of its own on the shared engine, or on an engine of its own to be killed.

mod call;
mod faults;
mod killed;
mod probe;
mod races;
mod write;

use std::time::Duration;

use clock::SystemClock;
use sql::{Migration, Postgres, PostgresSettings, SqlError, scoped};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use telemetry::Telemetry;
use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;

pub(crate) static SCHEMA: [Migration; 1] = [Migration::expand(
    1,
    "claims",
    include_str!("claims.postgres.sql"),
)];

/// A migrated schema. Dropping it drops the schema.
pub(crate) struct Place {
    /// The engine itself, whatever the handle goes through.
    url: String,
    schema: String,
    telemetry: Telemetry,
    pub(crate) sql: Postgres,
}

impl Place {
    pub(crate) async fn new(test: &str) -> Option<Self> {
        Self::with(test, settings()).await
    }

    pub(crate) async fn with(test: &str, settings: PostgresSettings) -> Option<Self> {
        let place = Self::bare(test, settings).await?;
        place.sql.migrate(&SCHEMA).await.unwrap();
        Some(place)
    }

    /// Without any step.
    pub(crate) async fn bare(test: &str, settings: PostgresSettings) -> Option<Self> {
        let url = engines::url(Kind::Postgres, test)?;
        Some(Self::at(url.clone(), &url, settings).await)
    }

    /// The handle goes through a proxy.
    async fn behind(test: &str, settings: PostgresSettings) -> Option<(Self, FaultProxy)> {
        let url = engines::url(Kind::Postgres, test)?;
        let proxy = FaultProxy::to(engines::address(Kind::Postgres, test)?).await;
        let through = Kind::Postgres.url_at(&[proxy.address()]);
        let place = Self::at(url, &through, settings).await;
        place.sql.migrate(&SCHEMA).await.unwrap();
        Some((place, proxy))
    }

    async fn at(url: String, through: &str, settings: PostgresSettings) -> Self {
        let schema = engines::fresh_name("sql");
        let telemetry = crate::telemetry();
        let sql = connect(&format!("{through}?schema={schema}"), settings, &telemetry).await;
        Self {
            url,
            schema,
            telemetry,
            sql: sql.unwrap(),
        }
    }

    /// Another process's handle, as far as the server can tell.
    pub(crate) async fn another(&self) -> Postgres {
        let url = format!("{}?schema={}", self.url, self.schema);
        connect(&url, settings(), &crate::telemetry()).await.unwrap()
    }

    /// A bare connection beside the handle.
    pub(crate) async fn stranger(&self) -> PgConnection {
        let mut stranger = PgConnection::connect(&self.url).await.unwrap();
        let path = format!("SET search_path = {}", self.schema);
        stranger.execute(AssertSqlSafe(path)).await.unwrap();
        stranger
    }

    /// Counted beside the handle, so that faults before it do not matter.
    async fn claims(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM claim");
        count.fetch_one(&mut self.stranger().await).await.unwrap()
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    fn metrics(&self) -> String {
        String::from_utf8(self.telemetry.encode(None).unwrap().1).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let drop_schema = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
        let url = self.url.clone();
        let cleanup = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let tidy = async {
                    let mut connection = PgConnection::connect(&url).await?;
                    connection.execute(AssertSqlSafe(drop_schema)).await
                };
                // What is left behind is in nobody's way.
                let _ = tokio::time::timeout(Duration::from_secs(5), tidy).await;
            });
        });
        let _ = cleanup.join();
    }
}

/// Short waits, so that what is expected to fail fails soon; long enough for a busy machine.
pub(crate) fn settings() -> PostgresSettings {
    PostgresSettings {
        readers_max: 2,
        writers_max: 4,
        ..PostgresSettings::default()
    }
}

pub(crate) async fn connect(
    url: &str,
    settings: PostgresSettings,
    telemetry: &Telemetry,
) -> Result<Postgres, SqlError> {
    Postgres::connect(url, settings, telemetry.clone(), SystemClock::shared()).await
}

async fn claim(sql: &Postgres, alias: &str, owner: i64) -> Result<bool, SqlError> {
    sql.write("claim", |tx| {
        scoped(async move {
            let query =
                sqlx::query("INSERT INTO claim (alias, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING");
            Ok(query.bind(alias).bind(owner).execute(tx).await?.rows_affected() == 1)
        })
    })
    .await
}

async fn holder(sql: &Postgres, alias: &str) -> Result<Option<i64>, SqlError> {
    sql.read("holder", |conn| {
        scoped(async move {
            let query = sqlx::query_scalar("SELECT owner FROM claim WHERE alias = $1");
            Ok(query.bind(alias).fetch_optional(conn).await?)
        })
    })
    .await
}
