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
    // Who commits later may have begun earlier: the newest of them is kept.
    mark: "UPDATE vault_trace SET marks = marks + 1, dropped_by = greatest(dropped_by, pg_current_xact_id()::text::bigint)",
};

const DROPPED_BY: &str = "SELECT dropped_by FROM vault_trace";

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

    /// `None` when another process was at it and has ended.
    async fn rid_files(&self, marks: i64) -> Result<Option<Traces>, StoreError> {
        let dropped_by: i64 = self
            .sql
            .read("vault_dropped_by", |conn| {
                sql::scoped(async move {
                    let query = sqlx::query_scalar(DROPPED_BY);
                    Ok::<_, StoreError>(query.fetch_one(conn).await?)
                })
            })
            .await?;
        Ok(
            match self.sql.rewrite("rewrite_vault", &TABLES, dropped_by).await? {
                Rewritten::Done => Some(Traces::Overwritten),
                Rewritten::Held => Some(Traces::Held),
                Rewritten::ByAnother => None,
                Rewritten::NotAllowed => Some(Traces::NotAllowed(self.owners_statements(marks))),
            },
        )
    }

    /// Both for the owner: nobody else could tell afterwards whether it was done.
    fn owners_statements(&self, marks: i64) -> Vec<String> {
        let trace = self.sql.qualified("vault_trace");
        let is_rid = self.sql.is_rid_condition(&TABLES, "dropped_by");
        vec![
            self.sql.rewrite_statement(&TABLES),
            format!("UPDATE {trace} SET overwritten = {marks} WHERE overwritten < {marks} AND {is_rid}"),
        ]
    }
}

vault_on!(PostgresVault, PgConnection, STATEMENTS);
