//! `/v1/webhook-deliveries`: what became of webhooks, dead letters, and their replay.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use identity::{PAYMENTS_READ, PAYMENTS_WRITE};
use ids::Id;
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, NoQuery, Path, Query};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::or_empty::{Nothing, OrEmpty};
use super::webhooks::ENDPOINT;
use super::wire::{DeliveryBody, DeliveryListBody};
use super::{App, cursor, known, shown};
use crate::operations::HookError;
use crate::store::webhooks::{DeliveryFilter, DeliveryState};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

impl ListQuery {
    async fn answer(
        self,
        app: &App,
        caller: Authenticated,
        endpoint: Option<Id>,
    ) -> Result<Response, Problem> {
        let read = |name: String| {
            let rule = "must be pending, delivered, failed or dead";
            DeliveryState::parse(&name).ok_or_else(|| HookError::invalid("status", rule))
        };
        let filter = DeliveryFilter {
            endpoint_id: endpoint,
            state: self.status.map(read).transpose()?,
        };
        let before = self.cursor.as_deref().map(cursor::parse).transpose()?;
        let (found, next) = app
            .hooks
            .deliveries(&caller.0.tenant, filter, before, self.limit)
            .await?;
        Ok(shown(DeliveryListBody::of(&found, next)))
    }
}

/// List webhook deliveries
///
/// Of all endpoints; `status=dead` are the dead letters.
#[utoipa::path(
    get,
    path = "/v1/webhook-deliveries",
    operation_id = "list_webhook_deliveries",
    tag = "webhooks",
    security(("token" = ["payments:read"])),
    params(
        ("status" = Option<String>, Query, description = "Only in this state: `pending`, `delivered`, `failed` or `dead`", pattern = "^(pending|delivered|failed|dead)$", nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page, the newest first", body = DeliveryListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        ManagedRefusals
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_READ)?;
    query.answer(&app, caller, None).await
}

/// List an endpoint's deliveries
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}/deliveries",
    operation_id = "list_webhook_deliveries_of_endpoint",
    tag = "webhooks",
    security(("token" = ["payments:read"])),
    params(
        ("id" = String, Path, description = "Which endpoint", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("status" = Option<String>, Query, description = "Only in this state: `pending`, `delivered`, `failed` or `dead`", pattern = "^(pending|delivered|failed|dead)$", nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page, the newest first", body = DeliveryListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such endpoint, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn list_of_endpoint(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_READ)?;
    let endpoint = known(&id, ENDPOINT)?;
    query.answer(&app, caller, Some(endpoint)).await
}

/// Replay a webhook delivery
///
/// Puts it in line again, at once and with all its attempts before it: a dead letter, or one that arrived. One that waits is left as it is, so
/// that this may be repeated. Takes no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/webhook-deliveries/{id}/replay",
    operation_id = "replay_webhook_delivery",
    tag = "webhooks",
    security(("token" = ["payments:write"])),
    params(
        ("id" = String, Path, description = "Which delivery", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 202, description = "It is in line", body = DeliveryBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such delivery, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`webhook_endpoint_disabled`: enable it first", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn replay(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    OrEmpty(Nothing {}): OrEmpty<Nothing>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (tenant, id) = (caller.0.tenant, known(&id, "webhook delivery")?);
    let delivery = server::owned(async move { app.hooks.replay(&tenant, id).await }).await?;
    Ok((StatusCode::ACCEPTED, shown(DeliveryBody::of(&delivery))).into_response())
}
