//! The vault on SQLite: one writer, so nothing needs a lock of its own.

use async_trait::async_trait;
use identity::Tenant;
use sql::{Sqlite, SqliteConnection};

use super::calls::{self, Statements, vault_on};
use super::{PersonKey, Rewrap, SealedRecord, TenantKey, Traces, VaultStore};
use crate::store::StoreError;

const STATEMENTS: Statements = Statements {
    pin: "INSERT INTO vault_master (one, fingerprint) VALUES (1, $1) ON CONFLICT (one) DO NOTHING",
    newest_version: "SELECT version FROM vault_tenant_key WHERE tenant = $1 ORDER BY version DESC LIMIT 1",
    lock_versions: "SELECT version FROM vault_tenant_key WHERE tenant = $1 AND version < $2 ORDER BY version",
    lock_person: "SELECT generation FROM vault_person WHERE tenant = $1 AND person = $2 AND wrapped IS NOT NULL",
    mark: "UPDATE vault_trace SET marks = marks + 1",
};

/// [`VaultStore`] on one file.
#[derive(Clone)]
pub struct SqliteVault {
    sql: Sqlite,
}

impl std::fmt::Debug for SqliteVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteVault").finish_non_exhaustive()
    }
}

impl SqliteVault {
    /// The port on an open file.
    pub fn new(sql: Sqlite) -> Self {
        Self { sql }
    }

    /// The file's pages are rid of it by whoever dropped it (`secure_delete`); the log has it until it is emptied.
    async fn rid_files(&self, _marks: i64) -> Result<Option<Traces>, StoreError> {
        self.sql.empty_log("empty_vault_log").await?;
        Ok(Some(Traces::Overwritten))
    }
}

vault_on!(SqliteVault, SqliteConnection, STATEMENTS);
