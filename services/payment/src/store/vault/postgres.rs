//! The vault on PostgreSQL, for as many processes as share it.

use async_trait::async_trait;
use identity::Tenant;
use sql::{PgConnection, Postgres, Rewritten};

use super::calls::{self, Statements, vault_on};
use super::{PersonKey, Rewrap, SealedRecord, TenantKey, Traces, VaultStore};
use crate::store::StoreError;

/// What holds keys, and what they seal.
const TABLES: [&str; 3] = ["vault_tenant_key", "vault_person", "vault_record"];

const STATEMENTS: Statements = Statements {
    pin: "INSERT INTO vault_master (one, fingerprint) VALUES (true, $1) ON CONFLICT (one) DO NOTHING",
    newest_version: "SELECT version FROM vault_tenant_key WHERE tenant = $1 ORDER BY version DESC LIMIT 1 FOR SHARE",
    lock_versions: "SELECT version FROM vault_tenant_key WHERE tenant = $1 AND version < $2 ORDER BY version FOR UPDATE",
    lock_person: "SELECT generation FROM vault_person WHERE tenant = $1 AND person = $2 AND wrapped IS NOT NULL FOR SHARE",
};

/// [`VaultStore`] on one schema.
#[derive(Clone)]
pub struct PostgresVault {
    sql: Postgres,
}

impl std::fmt::Debug for PostgresVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresVault").finish_non_exhaustive()
    }
}

impl PostgresVault {
    /// The port on an open schema.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }

    async fn rid_files(&self) -> Result<Traces, StoreError> {
        Ok(match self.sql.rewrite("rewrite_vault", &TABLES).await? {
            Rewritten::Done => Traces::Overwritten,
            Rewritten::NotAllowed => Traces::NotAllowed(self.sql.rewrite_statement(&TABLES)),
        })
    }
}

vault_on!(PostgresVault, PgConnection, STATEMENTS);
