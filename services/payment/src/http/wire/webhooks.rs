//! Webhooks, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{cursor, show_moment};
use crate::operations::{CreateEndpoint, WithSecret};
use crate::store::webhooks::{Delivery, DeliveryState, Endpoint, EndpointChange};
use ids::Id;

/// A webhook endpoint to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhookEndpoint, example = json!({"url": "https://shop.example.com/hooks", "event_kinds": ["payment.captured"]}))]
pub(in crate::http) struct NewEndpointBody {
    /// Where to: https, to a public address.
    #[schema(max_length = 2048)]
    url: String,
    /// Which kinds of events; none is all.
    #[serde(default)]
    #[schema(max_items = 3)]
    event_kinds: Vec<String>,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
}

impl NewEndpointBody {
    pub(in crate::http) fn into_request(self) -> CreateEndpoint {
        CreateEndpoint {
            url: self.url,
            kinds: self.event_kinds,
            description: self.description,
        }
    }
}

/// What is to change of a webhook endpoint.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookEndpointPatch, example = json!({"enabled": true}))]
pub(in crate::http) struct EndpointPatchBody {
    /// Where to.
    #[schema(max_length = 2048, nullable = false)]
    url: Option<String>,
    /// Which kinds of events; none is all.
    #[schema(max_items = 3, nullable = false)]
    event_kinds: Option<Vec<String>>,
    /// For people.
    #[schema(max_length = 200, nullable = false)]
    description: Option<String>,
    /// On or off. On forgets the failures that disabled it.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

impl EndpointPatchBody {
    pub(in crate::http) fn into_change(self) -> EndpointChange {
        EndpointChange {
            url: self.url,
            kinds: self.event_kinds,
            description: self.description,
            enabled: self.enabled,
        }
    }
}

/// Where a merchant is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(in crate::http) struct EndpointBody {
    /// Its id.
    #[schema(value_type = String, pattern = "^[1-9][0-9]{0,18}$")]
    id: Id,
    /// Where to.
    url: String,
    /// Which kinds of events; none is all.
    event_kinds: Vec<String>,
    /// For people.
    description: String,
    /// `enabled`, `disabled` (by its owner) or `disabled_after_failures`.
    status: &'static str,
    /// Since when.
    #[schema(format = DateTime)]
    status_since: String,
    /// The first failure since something was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    failing_since: Option<String>,
    /// Deliveries given up since something was accepted.
    dead_in_a_row: u32,
    /// Until when the former secret signs beside the present one, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    former_secret_until: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl EndpointBody {
    pub(in crate::http) fn of(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url.clone(),
            event_kinds: endpoint.kinds.clone(),
            description: endpoint.description.clone(),
            status: endpoint.state.name(),
            status_since: show_moment(endpoint.state_at_ms),
            failing_since: endpoint.failing_since_ms.map(show_moment),
            dead_in_a_row: endpoint.dead_in_a_row,
            former_secret_until: endpoint
                .former
                .as_ref()
                .map(|former| show_moment(former.until_ms)),
            created_at: show_moment(endpoint.created_at_ms),
        }
    }
}

/// An endpoint with its secret, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub(in crate::http) struct EndpointSecretBody {
    /// The endpoint.
    #[serde(flatten)]
    endpoint: EndpointBody,
    /// What its deliveries are signed with (Standard Webhooks).
    #[schema(pattern = "^whsec_")]
    secret: String,
}

impl EndpointSecretBody {
    pub(in crate::http) fn of(made: &WithSecret) -> Self {
        Self {
            endpoint: EndpointBody::of(&made.endpoint),
            secret: made.secret.to_text(),
        }
    }
}

/// A page of endpoints.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpointList)]
pub(in crate::http) struct EndpointListBody {
    /// By id.
    items: Vec<EndpointBody>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

impl EndpointListBody {
    pub(in crate::http) fn of(endpoints: &[Endpoint], next: Option<Id>) -> Self {
        Self {
            items: endpoints.iter().map(EndpointBody::of).collect(),
            next_cursor: next.map(cursor::show),
        }
    }
}

/// One event for one endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(in crate::http) struct DeliveryBody {
    /// Its id.
    #[schema(value_type = String, pattern = "^[1-9][0-9]{0,18}$")]
    id: Id,
    /// Where to.
    #[schema(value_type = String, pattern = "^[1-9][0-9]{0,18}$")]
    endpoint_id: Id,
    /// The event: the same on every attempt, in `webhook-id`.
    event_id: String,
    /// Its kind.
    event_kind: String,
    /// `pending`, `delivered`, `failed` (and tried again) or `dead` (given up, until it is replayed).
    status: &'static str,
    /// How often it was tried.
    attempts: u32,
    /// When it is tried next, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    next_attempt_at: Option<String>,
    /// The status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_status: Option<u16>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<String>,
    /// When it was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    last_attempt_at: Option<String>,
    /// When it was put in line.
    #[schema(format = DateTime)]
    created_at: String,
}

impl DeliveryBody {
    pub(in crate::http) fn of(delivery: &Delivery) -> Self {
        let waits = delivery.state.is_waiting();
        Self {
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            event_id: delivery.event_id.clone(),
            event_kind: delivery.kind.clone(),
            status: delivery.state.name(),
            attempts: delivery.attempt,
            next_attempt_at: waits.then(|| show_moment(delivery.next_at_ms)),
            last_status: delivery.last_status,
            last_error: delivery
                .last_error
                .clone()
                .filter(|_| delivery.state != DeliveryState::Delivered),
            last_attempt_at: delivery.last_at_ms.map(show_moment),
            created_at: show_moment(delivery.created_at_ms),
        }
    }
}

/// A page of deliveries.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryList)]
pub(in crate::http) struct DeliveryListBody {
    /// The newest first.
    items: Vec<DeliveryBody>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

impl DeliveryListBody {
    pub(in crate::http) fn of(deliveries: &[Delivery], next: Option<Id>) -> Self {
        Self {
            items: deliveries.iter().map(DeliveryBody::of).collect(),
            next_cursor: next.map(cursor::show),
        }
    }
}
