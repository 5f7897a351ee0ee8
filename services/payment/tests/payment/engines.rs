//! Where a service keeps its data: files in a folder of its own or, under `ORRERY_TEST_ENGINES=real`, a schema and a prefix of its own
//! on the shared engines, which go with it.

use std::path::Path;
use std::sync::Arc;

use payment::Settings;
use sqlx::Connection as _;
use tempfile::TempDir;
use testkit::engines::{self, Kind, are_real};
use testkit::service::delete_streams;

use crate::contract::{database, trust_clocks};

/// A service's data, also over a restart.
pub(crate) struct Folder {
    files: TempDir,
    names: Option<Names>,
}

struct Names {
    postgres: String,
    schema: String,
    nats: String,
}

impl Folder {
    pub(crate) fn fresh() -> Arc<Self> {
        Arc::new(Self {
            files: tempfile::tempdir().unwrap(),
            names: are_real().then(Names::fresh),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.files.path()
    }

    /// Lets a service on this data bring a clock of its own, wherever that stands.
    pub(crate) async fn trust_clocks(&self, settings: &Settings) {
        if let Some(names) = &self.names {
            database(&settings.database_url).await.close().await;
            trust_clocks(&names.postgres, &names.schema).await;
        }
    }

    /// Settings of a service on this data.
    pub(crate) fn settings(&self) -> Settings {
        let file = |name: &str| format!("sqlite:{}", self.path().join(name).display());
        let mut settings = Settings {
            database_url: file("payment.db"),
            streams_url: file("streams.db"),
            leases_url: file("leases.db"),
            ..Settings::default()
        };
        settings.vault.key_file = self.path().join("payment.key").display().to_string();
        if let Some(names) = &self.names {
            settings.database_url = format!("{}?schema={}", names.postgres, names.schema);
            settings.streams_url.clone_from(&names.nats);
            settings.leases_url.clone_from(&names.nats);
            // Many services at once on one server.
            settings.postgres.readers_max = 2;
            settings.postgres.writers_max = 4;
        }
        settings
    }
}

impl Names {
    fn fresh() -> Self {
        let name = engines::fresh_name("payment_api");
        Self {
            postgres: engines::needed(Kind::Postgres),
            nats: format!("{}?prefix={name}", engines::needed(Kind::Nats)),
            schema: name,
        }
    }

    async fn remove(&self) {
        let mut connection = sqlx::PgConnection::connect(&self.postgres).await.unwrap();
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
        let dropped = sqlx::raw_sql(sqlx::AssertSqlSafe(drop));
        dropped.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        delete_streams(&self.nats).await.unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(names) = self.names.take() else { return };
        // A test's own runtime may be on its way out.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(names.remove());
        });
        if removing.join().is_err() {
            eprintln!("a schema or prefix of a test is left behind");
        }
    }
}
