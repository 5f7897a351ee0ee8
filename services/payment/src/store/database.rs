//! The one database that all ports of the service share.

use std::sync::Arc;

use clock::SharedClock;
use outbox::Outbox;
use resilience::Connection;
use sql::{DatabaseUrl, Migration, Postgres, PostgresSettings, Sqlite, SqliteSettings};
use telemetry::Telemetry;

use super::StoreError;

/// The ledger's step on PostgreSQL, a file an idea.
macro_rules! ledger {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!("../../migrations/postgres/0001_ledger/", $file, ".sql")), "\n"),+)
    };
}

const LEDGER_POSTGRES: &str = ledger!(
    "tables",
    "guards",
    "holds_and_reversals",
    "decide",
    "commit",
    "accounts",
    "rights"
);
const LEDGER_SQLITE: &str = include_str!("../../migrations/sqlite/0001_ledger.sql");

macro_rules! migrations {
    ($engine:literal, $ledger:expr) => {
        &[
            Migration::expand(1, "ledger", $ledger),
            Migration::expand(
                2,
                "payments",
                include_str!(concat!("../../migrations/", $engine, "/0002_payments.sql")),
            ),
            Migration::expand(
                3,
                "outbox",
                include_str!(concat!("../../migrations/", $engine, "/0003_outbox.sql")),
            ),
            Migration::expand(
                4,
                "webhooks",
                include_str!(concat!("../../migrations/", $engine, "/0004_webhooks.sql")),
            ),
            Migration::expand(
                5,
                "vault",
                include_str!(concat!("../../migrations/", $engine, "/0005_vault.sql")),
            ),
            Migration::expand(
                6,
                "reconciliation",
                include_str!(concat!("../../migrations/", $engine, "/0006_reconciliation.sql")),
            ),
        ]
    };
}

const POSTGRES: &[Migration] = migrations!("postgres", LEDGER_POSTGRES);
const SQLITE: &[Migration] = migrations!("sqlite", LEDGER_SQLITE);

/// Why the database could not be opened.
pub type OpenError = StoreError;

/// A handle to the database; cheap to clone. Each port is made of one.
#[derive(Debug, Clone)]
pub enum Database {
    /// One file.
    Sqlite(Sqlite),
    /// One schema, shared by several processes.
    Postgres(Postgres),
}

impl Database {
    /// Opens what `url` names, and brings it to this program's schema as far as older programs can follow.
    pub async fn open(
        url: &DatabaseUrl,
        text: &str,
        sqlite: SqliteSettings,
        postgres: PostgresSettings,
        telemetry: Telemetry,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        Ok(match url {
            DatabaseUrl::Sqlite(path) => {
                let sql = Sqlite::open_overwriting(path, sqlite, telemetry, clock).await?;
                sql.migrate(SQLITE).await?;
                Self::Sqlite(sql)
            }
            DatabaseUrl::Postgres(_) => {
                let sql = Postgres::connect(text, postgres, telemetry, clock).await?;
                sql.migrate(POSTGRES).await?;
                Self::Postgres(sql)
            }
        })
    }

    /// The engine behind it.
    pub fn connection(&self) -> Arc<dyn Connection> {
        match self {
            Self::Sqlite(sql) => Arc::new(sql.clone()),
            Self::Postgres(sql) => Arc::new(sql.clone()),
        }
    }

    /// Gives its connections back; what is asked later is refused.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sql) => sql.close().await,
            Self::Postgres(sql) => sql.close().await,
        }
    }

    /// The events that wait in it for the stream.
    pub fn outbox(&self) -> Outbox {
        match self {
            Self::Sqlite(sql) => Outbox::Sqlite(sql.clone()),
            Self::Postgres(sql) => Outbox::Postgres(sql.clone()),
        }
    }

    /// Takes away what only older programs need.
    pub async fn contract(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sql) => sql.migrate_contract(SQLITE).await?,
            Self::Postgres(sql) => sql.migrate_contract(POSTGRES).await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tables_of_shared_mechanisms_are_theirs_to_the_letter() {
        let postgres = include_str!("../../migrations/postgres/0003_outbox.sql");
        let sqlite = include_str!("../../migrations/sqlite/0003_outbox.sql");
        assert!(postgres.contains(outbox::OUTBOX_POSTGRES) && postgres.contains(leases::LEADERSHIP_POSTGRES));
        assert!(sqlite.contains(outbox::OUTBOX_SQLITE) && sqlite.contains(leases::LEADERSHIP_SQLITE));
    }
}
