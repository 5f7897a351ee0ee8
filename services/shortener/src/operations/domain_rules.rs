//! A tenant's own rules on where links may lead.

use std::sync::Arc;

use cache::{Cache, CacheMetrics, CacheSettings, LoadError};
use clock::SharedClock;
use identity::Tenant;
use problem::FieldError;

use super::Links;
use super::create_link::field_error;
use crate::error::LinkError;
use crate::link::{Domain, DomainLists};
use crate::store::StoreError;
use crate::store::domain_rules::{DomainRules, KeptRules};

/// How often a change is made again over what others changed meanwhile.
const ATTEMPTS_MAX: u32 = 8;
/// Tenants whose rules are remembered.
const TENANTS_MAX: usize = 10_000;

/// The rules of all tenants, remembered for a moment: what one process changes holds in the others when that is over.
pub struct TenantRules {
    store: Arc<dyn DomainRules>,
    remembered: Cache<Tenant, Arc<DomainLists>, StoreError>,
    domains_max: usize,
}

/// Rules as they were asked for.
#[derive(Clone, Debug, Default)]
pub struct AskedRules {
    /// The only domains, if there are any.
    pub allow: Vec<String>,
    /// Domains that are out of the question.
    pub deny: Vec<String>,
    /// The revision that this was made from, if it matters.
    pub over: Option<u64>,
}

impl TenantRules {
    /// Rules of this store; `ttl_ms` bounds how long another process's change goes unnoticed, `domains_max` each tenant's lists.
    pub fn new(
        store: Arc<dyn DomainRules>,
        ttl_ms: u64,
        domains_max: usize,
        clock: SharedClock,
        metrics: &CacheMetrics,
    ) -> Self {
        let settings = CacheSettings {
            capacity: TENANTS_MAX,
            ttl_ms,
            ttl_jitter: 0.0,
            xfetch_beta: 0.0,
            ..CacheSettings::default()
        };
        Self {
            store,
            remembered: Cache::new("domain_rules", &settings, clock, metrics),
            domains_max,
        }
    }

    /// What holds for a tenant's links. When it cannot be known, no link is made: a rule must not lapse with its store.
    pub(super) async fn of(&self, tenant: &Tenant) -> Result<Arc<DomainLists>, LinkError> {
        let (store, wanted) = (Arc::clone(&self.store), tenant.clone());
        let load = move || async move {
            let kept = store.domain_rules(&wanted).await?;
            Ok(Some(Arc::new(kept.lists)))
        };
        let known = self.remembered.get_or_load(tenant.clone(), load).await;
        Ok(known.map_err(failed)?.unwrap_or_default())
    }
}

fn failed(error: LoadError<StoreError>) -> LinkError {
    match error {
        LoadError::Origin(error) => LinkError::Store((*error).clone()),
        LoadError::Busy => LinkError::Overloaded,
        other => LinkError::Store(StoreError::Unavailable(other.to_string())),
    }
}

impl Links {
    /// A tenant's rules, straight from the store.
    pub async fn domain_rules(&self, tenant: &Tenant) -> Result<KeptRules, LinkError> {
        Ok(self.rules.store.domain_rules(tenant).await?)
    }

    /// Replaces a tenant's rules. They hold for links that are made or changed from now on. Run it in an owned task.
    pub async fn replace_domain_rules(
        &self,
        tenant: &Tenant,
        asked: &AskedRules,
    ) -> Result<KeptRules, LinkError> {
        let lists = self.lists(asked)?;
        let rules = &self.rules;
        for _ in 0..ATTEMPTS_MAX {
            let now = rules.store.domain_rules(tenant).await?;
            if asked.over.is_some_and(|over| over != now.revision) {
                return Err(LinkError::RulesChanged);
            }
            let kept = KeptRules {
                lists: lists.clone(),
                revision: now.revision + 1,
            };
            let replaced = rules.store.replace_domain_rules(tenant, &kept).await;
            // Also when the outcome is unknown.
            rules.remembered.invalidate(tenant);
            if replaced? {
                return Ok(kept);
            }
        }
        Err(LinkError::Contended)
    }

    fn lists(&self, asked: &AskedRules) -> Result<DomainLists, LinkError> {
        let most = self.rules.domains_max;
        if asked.allow.len() + asked.deny.len() > most {
            let detail = format!("at most {most} domains on both lists together");
            return Err(LinkError::field("/deny", &detail));
        }
        let mut errors: Vec<FieldError> = Vec::new();
        let mut read = |name: &str, domains: &[String]| {
            let mut list = std::collections::BTreeSet::new();
            for (index, text) in domains.iter().enumerate() {
                match Domain::parse(text) {
                    Ok(domain) => drop(list.insert(domain)),
                    Err(error) => errors.push(field_error(&format!("/{name}/{index}"), &error)),
                }
            }
            list
        };
        let lists = DomainLists {
            allow: read("allow", &asked.allow),
            deny: read("deny", &asked.deny),
        };
        if errors.is_empty() {
            Ok(lists)
        } else {
            Err(LinkError::Invalid(errors))
        }
    }
}
