//! Merchants' webhooks: endpoints and their secrets, deliveries looked at, replayed and tried out.

mod error;

use ::webhooks::Secret;
use bytes::Bytes;
use clock::SharedClock;
use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;
use leases::LeasedIds;
use outbound::Outbound;
use serde::Serialize;

use super::{Asked, cut};
use crate::store::StoreError;
use crate::store::webhooks::{
    Delivery, DeliveryFilter, Endpoint, EndpointChange, EndpointState, Event, NewSecret, RequestClaim,
    SharedWebhooks,
};
use crate::vault::{NotOpened, Place, Vault};

pub(crate) use error::HookError;

/// The kinds of events that endpoints are told of.
pub(crate) const EVENT_KINDS: [&str; 3] = ["payment.captured", "payment.failed", "payment.refunded"];

/// What a trial delivery is called; every endpoint gets it when asked, whatever it wants.
pub(crate) const PING: &str = "webhook.ping";

/// Longest description of an endpoint, in characters.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 200;

/// How often a write of unknown outcome is asked about again.
const TRIES_MAX: u32 = 4;

/// The rules' numbers.
#[derive(Debug, Clone)]
pub(crate) struct HookRules {
    /// Most endpoints of a tenant.
    pub endpoints_max: u32,
    /// How long a former secret signs beside the new one, in milliseconds.
    pub secret_overlap_ms: u64,
    /// Rows on a page when none is asked for.
    pub list_limit_default: u32,
    /// Most rows on a page.
    pub list_limit_max: u32,
}

/// Everything the use cases of webhooks stand on.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    /// The port.
    pub store: SharedWebhooks,
    /// Seals secrets.
    pub vault: Vault,
    /// Judges addresses.
    pub outbound: Outbound,
    /// Ids of endpoints.
    pub ids: LeasedIds,
    /// What time it is.
    pub clock: SharedClock,
    /// The rules' numbers.
    pub rules: HookRules,
}

/// An endpoint to be made, as asked for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CreateEndpoint {
    pub url: String,
    pub kinds: Vec<String>,
    pub description: String,
}

/// An endpoint, and its secret for the one time it is shown.
#[derive(Debug, Clone)]
pub(crate) struct WithSecret {
    pub endpoint: Endpoint,
    pub secret: Secret,
}

impl Hooks {
    /// Makes an endpoint, if its address may be called as far as can be known now.
    pub(crate) async fn create(
        &self,
        asked: &Asked,
        new: &CreateEndpoint,
    ) -> Result<Outcome<WithSecret>, HookError> {
        check_kinds(&new.kinds)?;
        check_description(&new.description)?;
        let url = self.checked_url(&new.url).await?;
        let body = serde_json::to_vec(new).expect("texts are always JSON");
        let fingerprint = Fingerprint::of("POST", "/v1/webhook-endpoints", &body);
        let claim = asked.claim(fingerprint, 0).map(|claim| RequestClaim {
            key: claim.key,
            fingerprint: claim.fingerprint,
        });
        let (tenant, id) = (asked.tenant().clone(), self.ids.next()?);
        let secret = Secret::generate();
        let now_ms = self.clock.unix_ms();
        let endpoint = Endpoint {
            secret: self.sealed(&tenant, id, &secret),
            tenant,
            id,
            url,
            kinds: new.kinds.clone(),
            description: new.description.clone(),
            state: EndpointState::Enabled,
            state_at_ms: now_ms,
            former: None,
            failing_since_ms: None,
            dead_in_a_row: 0,
            created_at_ms: now_ms,
        };
        let max = self.rules.endpoints_max;
        let mut tries = 0;
        let made = loop {
            tries += 1;
            match self.store.create_endpoint(&endpoint, claim, max).await {
                // With a claim the same call finds what it made.
                Err(error) if error.is_unknown() && claim.is_some() && tries < TRIES_MAX => {}
                settled => break settled??,
            }
        };
        Ok(match made {
            Outcome::Fresh(endpoint) => Outcome::Fresh(WithSecret { endpoint, secret }),
            Outcome::Replayed(endpoint) => Outcome::Replayed(self.with_secret(endpoint)?),
        })
    }

    /// A page of endpoints, and where the next begins.
    pub(crate) async fn list(
        &self,
        tenant: &Tenant,
        after: Option<Id>,
        limit: Option<u32>,
    ) -> Result<(Vec<Endpoint>, Option<Id>), HookError> {
        let limit = self.page_limit(limit)?;
        let found = self.store.endpoints(tenant, after, limit + 1).await?;
        Ok(cut(found, limit, |endpoint| endpoint.id))
    }

    /// One endpoint.
    pub(crate) async fn show(&self, tenant: &Tenant, id: Id) -> Result<Endpoint, HookError> {
        let found = self.store.endpoint(tenant, id).await?;
        found.ok_or(HookError::NotFound("webhook endpoint"))
    }

    /// Changes an endpoint.
    pub(crate) async fn change(
        &self,
        tenant: &Tenant,
        id: Id,
        mut change: EndpointChange,
    ) -> Result<Endpoint, HookError> {
        if let Some(kinds) = &change.kinds {
            check_kinds(kinds)?;
        }
        if let Some(description) = &change.description {
            check_description(description)?;
        }
        if let Some(url) = &change.url {
            change.url = Some(self.checked_url(url).await?);
        }
        let now_ms = self.clock.unix_ms();
        let changed = self.store.change_endpoint(tenant, id, &change, now_ms).await?;
        changed.ok_or(HookError::NotFound("webhook endpoint"))
    }

    /// Takes an endpoint away with all that waits for it.
    pub(crate) async fn delete(&self, tenant: &Tenant, id: Id) -> Result<(), HookError> {
        if self.store.delete_endpoint(tenant, id).await? {
            return Ok(());
        }
        Err(HookError::NotFound("webhook endpoint"))
    }

    /// Gives an endpoint another secret; the present one signs too until the overlap is over.
    pub(crate) async fn rotate(&self, asked: &Asked, id: Id) -> Result<WithSecret, HookError> {
        let tenant = asked.tenant();
        let secret = Secret::generate();
        let route = format!("/v1/webhook-endpoints/{id}/secret");
        let claim = asked.claim(Fingerprint::of("POST", &route, b""), 0);
        let new = NewSecret {
            sealed: self.sealed(tenant, id, &secret),
            former_until_ms: self.clock.unix_ms() + self.rules.secret_overlap_ms,
            // The endpoint is part of the claim: one key on two endpoints is two rotations.
            claim: claim.map(|claim| claim.key),
        };
        let rotated = self.store.rotate_secret(tenant, id, &new).await?;
        self.with_secret(rotated.ok_or(HookError::NotFound("webhook endpoint"))?)
    }

    /// Sends something that means nothing, to see whether it arrives.
    pub(crate) async fn ping(&self, tenant: &Tenant, id: Id) -> Result<Delivery, HookError> {
        let endpoint = self.show(tenant, id).await?;
        if endpoint.state != EndpointState::Enabled {
            return Err(HookError::Disabled);
        }
        let event_id = format!("ping_{}", self.ids.next()?);
        let data = serde_json::json!({ "endpoint_id": id });
        let event = event(tenant, event_id, PING, self.clock.unix_ms(), &data);
        self.store.enqueue(&event, Some(id)).await?;
        let filter = DeliveryFilter {
            endpoint_id: Some(id),
            state: None,
        };
        let newest = self.store.deliveries(tenant, filter, None, 8).await?;
        let found = newest.into_iter().find(|delivery| delivery.event_id == event.id);
        found.ok_or(HookError::NotFound("webhook delivery"))
    }

    /// A page of deliveries, the newest first, and where the next begins.
    pub(crate) async fn deliveries(
        &self,
        tenant: &Tenant,
        filter: DeliveryFilter,
        before: Option<Id>,
        limit: Option<u32>,
    ) -> Result<(Vec<Delivery>, Option<Id>), HookError> {
        if let Some(endpoint) = filter.endpoint_id {
            self.show(tenant, endpoint).await?;
        }
        let limit = self.page_limit(limit)?;
        let found = self.store.deliveries(tenant, filter, before, limit + 1).await?;
        Ok(cut(found, limit, |delivery| delivery.id))
    }

    /// Puts a delivery in line again.
    pub(crate) async fn replay(&self, tenant: &Tenant, id: Id) -> Result<Delivery, HookError> {
        let now_ms = self.clock.unix_ms();
        Ok(self.store.replay(tenant, id, now_ms).await??)
    }

    /// Drops what is known of a payer. Who was erased before stays erased; whoever was never known is not found.
    pub(crate) async fn erase_payer(&self, tenant: &Tenant, person: &str) -> Result<(), HookError> {
        if self.vault.erase(tenant, person).await? || self.vault.was_known(tenant, person).await? {
            return Ok(());
        }
        Err(HookError::NotFound("payer"))
    }

    async fn checked_url(&self, url: &str) -> Result<String, HookError> {
        // First, for what else is wrong with it may be said with its words.
        if card_numbers::is_in_url(url) {
            return Err(HookError::CardNumber("/url"));
        }
        let target = self.outbound.check(url).await?;
        Ok(target.as_str().to_owned())
    }

    fn sealed(&self, tenant: &Tenant, id: Id, secret: &Secret) -> Vec<u8> {
        let place = Place::WebhookSecret(tenant.as_str(), id.as_u64());
        self.vault.seal_own(place, secret.to_text().as_bytes())
    }

    fn with_secret(&self, endpoint: Endpoint) -> Result<WithSecret, HookError> {
        let secret = open_secret(&self.vault, &endpoint, &endpoint.secret)?;
        Ok(WithSecret { endpoint, secret })
    }

    fn page_limit(&self, limit: Option<u32>) -> Result<u32, HookError> {
        let most = self.rules.list_limit_max;
        let limit = limit.unwrap_or(self.rules.list_limit_default);
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("must be between 1 and {most}");
        Err(HookError::invalid("limit", detail))
    }
}

/// A secret of an endpoint, out of what is kept of it.
pub(crate) fn open_secret(vault: &Vault, endpoint: &Endpoint, sealed: &[u8]) -> Result<Secret, NotOpened> {
    let place = Place::WebhookSecret(endpoint.tenant.as_str(), endpoint.id.as_u64());
    let text = String::from_utf8(vault.open_own(place, sealed)?).map_err(|_| NotOpened)?;
    Secret::parse(&text).map_err(|_| NotOpened)
}

/// What is sent: the kind, when it happened, and what, as Standard Webhooks advises.
pub(crate) fn event(tenant: &Tenant, id: String, kind: &str, at_ms: u64, data: &serde_json::Value) -> Event {
    let timestamp = crate::http::show_moment(at_ms);
    let body = serde_json::json!({ "type": kind, "timestamp": timestamp, "data": data });
    Event {
        tenant: tenant.clone(),
        id,
        kind: kind.to_owned(),
        body: Bytes::from(body.to_string()),
        at_ms,
    }
}

fn check_kinds(kinds: &[String]) -> Result<(), HookError> {
    let is_known = |kind: &String| EVENT_KINDS.contains(&kind.as_str());
    if kinds.len() <= EVENT_KINDS.len() && kinds.iter().all(is_known) {
        return Ok(());
    }
    let detail = format!(
        "must be none (all of them), or some of {}",
        EVENT_KINDS.join(", ")
    );
    Err(HookError::invalid("/event_kinds", detail))
}

fn check_description(text: &str) -> Result<(), HookError> {
    if card_numbers::is_in(text) {
        return Err(HookError::CardNumber("/description"));
    }
    if text.chars().count() <= DESCRIPTION_CHARS_MAX && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = format!("must be at most {DESCRIPTION_CHARS_MAX} characters, without control characters");
    Err(HookError::invalid("/description", detail))
}

impl From<crate::store::webhooks::NotReplayed> for HookError {
    fn from(refused: crate::store::webhooks::NotReplayed) -> Self {
        match refused {
            crate::store::webhooks::NotReplayed::NotFound => Self::NotFound("webhook delivery"),
            crate::store::webhooks::NotReplayed::EndpointDisabled => Self::Disabled,
        }
    }
}

impl HookError {
    /// Whether the store did not do it.
    pub(crate) fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) | Self::Vault(crate::vault::VaultError::Store(error)) => Some(error),
            _ => None,
        }
    }
}
