//! The port to the lists of domains that a tenant's links may and may not lead to.

use async_trait::async_trait;
use identity::Tenant;

use super::StoreError;
use crate::link::DomainLists;

/// Where the rules of each tenant are kept.
///
/// **Order.** All operations on one tenant's rules are linearizable: of racing changes of one revision exactly one is made, and a read
/// begun after a change was acknowledged sees it. No tenant's rules are another's.
///
/// **Unknown outcomes.** After [`StoreError::Unknown`] the change may stand already, or land later, or never. Repeating it settles it:
/// while no later change was made, the same change is answered `true`.
#[async_trait]
pub trait DomainRules: Send + Sync + 'static {
    /// A tenant's rules; revision 0 and empty lists if none were ever kept.
    async fn domain_rules(&self, tenant: &Tenant) -> Result<KeptRules, StoreError>;

    /// Keeps changed rules if those that stand have the revision just before theirs; `false` if they do not.
    async fn replace_domain_rules(&self, tenant: &Tenant, rules: &KeptRules) -> Result<bool, StoreError>;
}

/// A tenant's rules as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptRules {
    /// The lists.
    pub lists: DomainLists,
    /// Counts changes from 1.
    pub revision: u64,
}

/// What a row holds.
pub(super) fn lists_json(lists: &DomainLists) -> String {
    serde_json::to_string(lists).expect("lists of text are always JSON")
}
