//! Statements about the domains that a tenant's links may lead to.

use async_trait::async_trait;
use identity::Tenant;
use sql::{Sqlite, SqliteConnection, scoped};
use sqlx::Row as _;

use super::StoreError;
use crate::store::domain_rules::{DomainRules, KeptRules, lists_json};
use crate::store::stored::{integer, natural, read_json};

/// Rules on domains, on SQLite.
#[derive(Clone, Debug)]
pub struct SqliteDomainRules {
    db: Sqlite,
}

impl SqliteDomainRules {
    /// On a file whose schema [`SqliteLinkStore::open`](super::SqliteLinkStore::open) has brought up to date.
    pub fn new(db: Sqlite) -> Self {
        Self { db }
    }
}

#[async_trait]
impl DomainRules for SqliteDomainRules {
    async fn domain_rules(&self, tenant: &Tenant) -> Result<KeptRules, StoreError> {
        self.db
            .read("find_domain_rules", |conn| scoped(find(conn, tenant)))
            .await
    }

    async fn replace_domain_rules(&self, tenant: &Tenant, rules: &KeptRules) -> Result<bool, StoreError> {
        self.db
            .write("replace_domain_rules", |tx| scoped(replace(tx, tenant, rules)))
            .await
    }
}

async fn find(conn: &mut SqliteConnection, tenant: &Tenant) -> Result<KeptRules, StoreError> {
    let row = sqlx::query("SELECT rules, revision FROM domain_rules WHERE tenant = ?")
        .bind(tenant.as_str())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(KeptRules::default());
    };
    Ok(KeptRules {
        lists: read_json(row.try_get(0)?)?,
        revision: natural(row.try_get(1)?)?,
    })
}

async fn replace(tx: &mut SqliteConnection, tenant: &Tenant, rules: &KeptRules) -> Result<bool, StoreError> {
    let now = find(tx, tenant).await?;
    if now.revision + 1 != rules.revision {
        // The same change again: its answer may not have been seen.
        return Ok(rules.revision > 0 && now == *rules);
    }
    // This transaction is the one writer: nobody comes between the look and the change.
    sqlx::query("INSERT OR REPLACE INTO domain_rules (tenant, rules, revision) VALUES (?, ?, ?)")
        .bind(tenant.as_str())
        .bind(lists_json(&rules.lists))
        .bind(integer(rules.revision)?)
        .execute(&mut *tx)
        .await?;
    Ok(true)
}
