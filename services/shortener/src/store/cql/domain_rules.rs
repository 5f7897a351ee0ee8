//! Statements about the domains that a tenant's links may lead to.

use async_trait::async_trait;
use identity::Tenant;
use wide::{Level, Serial, Statement, Wide};

use super::StoreError;
use super::call::Call;
use crate::store::domain_rules::{DomainRules, KeptRules, lists_json};
use crate::store::stored::{integer, natural, read_json};

const SELECT: &str = "SELECT rules, revision FROM {keyspace}.domain_rules WHERE tenant = ?";

pub(super) const FIND: Statement = Statement::read("find_domain_rules", SELECT, Level::Quorum);

pub(super) const FIRST: Statement = Statement::conditional(
    "first_domain_rules",
    "INSERT INTO {keyspace}.domain_rules (tenant, rules, revision) VALUES (?, ?, ?) IF NOT EXISTS",
    Level::Quorum,
    Serial::Global,
);

pub(super) const REPLACE: Statement = Statement::conditional(
    "replace_domain_rules",
    "UPDATE {keyspace}.domain_rules SET rules = ?, revision = ? WHERE tenant = ? IF revision = ?",
    Level::Quorum,
    Serial::Global,
);

/// Rules on domains, on CQL.
#[derive(Clone, Debug)]
pub struct CqlDomainRules {
    wide: Wide,
}

impl CqlDomainRules {
    /// In a keyspace that [`CqlLinkStore::open`](super::CqlLinkStore::open) has brought up to date.
    pub fn new(wide: Wide) -> Self {
        Self { wide }
    }
}

#[async_trait]
impl DomainRules for CqlDomainRules {
    async fn domain_rules(&self, tenant: &Tenant) -> Result<KeptRules, StoreError> {
        find(&Call::begin(&self.wide), tenant).await
    }

    async fn replace_domain_rules(&self, tenant: &Tenant, rules: &KeptRules) -> Result<bool, StoreError> {
        replace(&Call::begin(&self.wide), tenant, rules).await
    }
}

async fn find(call: &Call<'_>, tenant: &Tenant) -> Result<KeptRules, StoreError> {
    let row: Option<(Option<String>, Option<i64>)> = call.row(&FIND, (tenant.as_str(),)).await?;
    let Some((Some(rules), Some(revision))) = row else {
        return Ok(KeptRules::default());
    };
    Ok(KeptRules {
        lists: read_json(&rules)?,
        revision: natural(revision)?,
    })
}

async fn replace(call: &Call<'_>, tenant: &Tenant, rules: &KeptRules) -> Result<bool, StoreError> {
    let Some(before) = rules.revision.checked_sub(1) else {
        return Ok(false);
    };
    let (text, revision) = (lists_json(&rules.lists), integer(rules.revision)?);
    let settled = if before == 0 {
        let values = (tenant.as_str(), text.as_str(), revision);
        call.conditional(&FIRST, &values).await?
    } else {
        let values = (text.as_str(), revision, tenant.as_str(), integer(before)?);
        call.conditional(&REPLACE, &values).await?
    };
    if settled.applied {
        return Ok(true);
    }
    // What is in the way may be this very change, made by a try that was not answered. Only `[applied]` and what the condition names
    // are in a refusal on every engine, so the lists are read.
    let now = find(call, tenant).await?;
    if now == *rules {
        return Ok(true);
    }
    if settled.repeated && now.revision > rules.revision {
        let told = "the rules were changed again since".to_owned();
        return Err(StoreError::Unknown(told));
    }
    Ok(false)
}
