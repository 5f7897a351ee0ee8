//! The use cases: the rules, no I/O of their own. A handler calls one of them; each works through the ports.

mod click_slots;
mod count_links;
mod create_link;
mod create_links;
mod decide;
mod delete_link;
mod destination;
mod details;
mod domain_rules;
mod find_link;
mod follow_link;
mod import_links;
mod known_bad;
mod link_filter;
mod link_statistics;
mod list_links;
mod targets;
mod transfer_links;
mod unlock_link;
mod update_link;
mod warm_up;

pub(crate) use click_slots::ClickSlots;
pub(crate) use create_link::{AskedUtm, CreateLink, Creator};
pub(crate) use create_links::BatchItem;
pub(crate) use decide::{Closed, Question, Verdict, decide};
pub(crate) use destination::{Destination, codec};
pub(crate) use details::{DetailsChange, NewDestination, NewPassword};
pub(crate) use domain_rules::{AskedRules, TenantRules};
pub(crate) use import_links::{ImportItem, ImportLink, ImportedLink};
pub(crate) use known_bad::BadUrls;
pub(crate) use link_filter::LinkFilter;
pub(crate) use list_links::ListedLinks;
pub(crate) use transfer_links::{Transfer, Transferred};
pub(crate) use update_link::LinkChange;

use std::sync::Arc;

use cache::{Cache, WriteGuard};
use clock::SharedClock;
use idempotency::InFlight;
use leases::LeasedIds;

use crate::attempts::Attempts;
use crate::codes::CodeAllocator;
use crate::config::{BulkSettings, DetailLimits};
use crate::error::LinkError;
use crate::link::{Code, Link, OwnHosts};
use crate::passwords::Passwords;
use crate::store::statistics::StatisticsStore;
use crate::store::{LinkStore, RecordScope, StoreError};

/// The rules' numbers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest URL, in bytes.
    pub url_bytes_max: usize,
    /// Most tags on a link.
    pub tags_max: usize,
    /// Longest tag, in characters.
    pub tag_chars_max: usize,
    /// How far ahead an expiry may lie, in milliseconds.
    pub expiry_ms_max: u64,
    /// Links on a page when none is asked for.
    pub list_limit_default: u32,
    /// Most links on a page.
    pub list_limit_max: u32,
    /// How long an idempotency record is kept, in milliseconds.
    pub record_ttl_ms: u64,
    /// How large the parts may be that most links do not have.
    pub details: DetailLimits,
    /// Requests about many links.
    pub bulk: BulkSettings,
    /// Shortest password, in characters.
    pub password_chars_min: usize,
    /// Longest password, in bytes.
    pub password_bytes_max: usize,
}

/// Everything the use cases stand on.
pub struct Links {
    /// The port.
    pub store: Arc<dyn LinkStore>,
    /// Where codes lead, remembered; also that they lead nowhere.
    pub destinations: Cache<Code, Arc<Destination>, StoreError>,
    /// Generated codes.
    pub codes: CodeAllocator,
    /// Link ids.
    pub ids: LeasedIds,
    /// What time it is.
    pub clock: SharedClock,
    /// The rules' numbers.
    pub limits: Limits,
    /// What a link must not lead to.
    pub own_hosts: OwnHosts,
    /// Each tenant's own rules on that.
    pub rules: TenantRules,
    /// What is known to do harm.
    pub bad_urls: BadUrls,
    /// Requests with an idempotency key that are being worked on.
    pub in_flight: InFlight<RecordScope, Link>,
    /// Slots of links with a cap.
    pub slots: Arc<ClickSlots>,
    /// What became of clicks.
    pub statistics: Arc<dyn StatisticsStore>,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// How often passwords were tried.
    pub attempts: Attempts,
}

/// A write of a link of which other processes must hear.
type LinkWrite = WriteGuard<Code, Arc<Destination>, StoreError>;

/// Ends a write before it is acknowledged: every process forgets what it remembered of the link. After an unknown outcome it is
/// not ended but dropped, which forgets it here: the change may still land, and until the hold ends no process keeps what it
/// reads meanwhile.
async fn told<T>(write: LinkWrite, outcome: &Result<T, StoreError>) {
    if let Err(StoreError::Unknown(_)) = outcome {
        return;
    }
    if let Err(error) = write.done().await {
        tracing::warn!(%error, code = error.code(), "the shared cache is told of a change later");
    }
}

impl Links {
    /// Has every process look again after a change or a deletion that was found standing: its commit may have come after its
    /// request gave up, and after a redirect in between remembered what was there before.
    async fn look_again(&self, code: &Code) -> Result<(), LinkError> {
        told(self.destinations.write(*code).await?, &Ok(())).await;
        Ok(())
    }

    /// The same after a creation, before which a redirect may have remembered that there was nothing.
    async fn look_for_new(&self, code: &Code) {
        told(self.destinations.write_new(*code).await, &Ok(())).await;
    }
}

#[cfg(test)]
mod tests;
