//! `/v1/webhook-endpoints`: where merchants are told what happened.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use identity::{PAYMENTS_READ, PAYMENTS_WRITE};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Json, NoQuery, Path, Query};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::or_empty::{Nothing, OrEmpty};
use super::wire::{
    DeliveryBody, EndpointBody, EndpointListBody, EndpointPatchBody, EndpointSecretBody, NewEndpointBody,
};
use super::{App, PRIVATE, asked, cursor, known, settled, shown};

/// What is missing is called so.
pub(super) const ENDPOINT: &str = "webhook endpoint";

/// Make a webhook endpoint
///
/// Events are posted there, signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature`). An attempt that is not
/// answered 2xx within 15 s is repeated after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 14 h; redirects are not followed. Ten deliveries given up
/// in a row, or five days of failures alone, disable the endpoint.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints",
    operation_id = "create_webhook_endpoint",
    tag = "webhooks",
    security(("token" = ["payments:write"])),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)
    ),
    request_body(content = NewEndpointBody, content_type = "application/json"),
    responses(
        (status = 201, description = "It is made; the secret is shown this once", body = EndpointSecretBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"))),
        (status = 409, description = "`too_many_webhook_endpoints`", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    headers: HeaderMap,
    Json(body): Json<NewEndpointBody>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (asked, new) = (asked(caller, &headers)?, body.into_request());
    let made = server::owned(async move { app.hooks.create(&asked, &new).await }).await?;
    Ok(settled(StatusCode::CREATED, &made, EndpointSecretBody::of))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    limit: Option<u32>,
}

/// List webhook endpoints
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints",
    operation_id = "list_webhook_endpoints",
    tag = "webhooks",
    security(("token" = ["payments:read"])),
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "A page, by id", body = EndpointListBody, headers(
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
    let after = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let (found, next) = app.hooks.list(&caller.0.tenant, after, query.limit).await?;
    Ok(shown(EndpointListBody::of(&found, next)))
}

/// Show a webhook endpoint
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{id}",
    operation_id = "show_webhook_endpoint",
    tag = "webhooks",
    security(("token" = ["payments:read"])),
    params(
        ("id" = String, Path, description = "Which endpoint", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 200, description = "The endpoint, without its secret", body = EndpointBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such endpoint, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_READ)?;
    let endpoint = app.hooks.show(&caller.0.tenant, known(&id, ENDPOINT)?).await?;
    Ok(shown(EndpointBody::of(&endpoint)))
}

/// Change a webhook endpoint
#[utoipa::path(
    patch,
    path = "/v1/webhook-endpoints/{id}",
    operation_id = "update_webhook_endpoint",
    tag = "webhooks",
    security(("token" = ["payments:write"])),
    params(
        ("id" = String, Path, description = "Which endpoint", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    request_body(content = EndpointPatchBody, content_type = "application/json"),
    responses(
        (status = 200, description = "As it is now", body = EndpointBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such endpoint, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn update(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    Json(body): Json<EndpointPatchBody>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (tenant, id, change) = (caller.0.tenant, known(&id, ENDPOINT)?, body.into_change());
    let changed = server::owned(async move { app.hooks.change(&tenant, id, change).await }).await?;
    Ok(shown(EndpointBody::of(&changed)))
}

/// Delete a webhook endpoint
///
/// With its deliveries, those that wait and those that are over.
#[utoipa::path(
    delete,
    path = "/v1/webhook-endpoints/{id}",
    operation_id = "delete_webhook_endpoint",
    tag = "webhooks",
    security(("token" = ["payments:write"])),
    params(
        ("id" = String, Path, description = "Which endpoint", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 204, description = "It is gone", headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such endpoint, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn delete(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (tenant, id) = (caller.0.tenant, known(&id, ENDPOINT)?);
    server::owned(async move { app.hooks.delete(&tenant, id).await }).await?;
    Ok((StatusCode::NO_CONTENT, [PRIVATE]).into_response())
}

/// Give a webhook endpoint another secret
///
/// The new one signs at once; the one before it signs too for 24 hours, so that receivers can be told in between. Takes no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/secret",
    operation_id = "rotate_webhook_secret",
    tag = "webhooks",
    security(("token" = ["payments:write"])),
    params(
        ("id" = String, Path, description = "Which endpoint", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)
    ),
    responses(
        (status = 201, description = "The endpoint with its new secret, which is shown this once", body = EndpointSecretBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such endpoint, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn rotate(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    OrEmpty(Nothing {}): OrEmpty<Nothing>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (asked, id) = (asked(caller, &headers)?, known(&id, ENDPOINT)?);
    let rotated = server::owned(async move { app.hooks.rotate(&asked, id).await }).await?;
    Ok((StatusCode::CREATED, shown(EndpointSecretBody::of(&rotated))).into_response())
}

/// Try a webhook endpoint out
///
/// Puts a delivery of kind `webhook.ping` in line, whatever kinds the endpoint wants. Takes no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{id}/ping",
    operation_id = "ping_webhook_endpoint",
    tag = "webhooks",
    security(("token" = ["payments:write"])),
    params(
        ("id" = String, Path, description = "Which endpoint", max_length = 19, pattern = "^[1-9][0-9]{0,18}$")
    ),
    responses(
        (status = 202, description = "It is in line", body = DeliveryBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such endpoint, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`webhook_endpoint_disabled`", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn ping(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(id): Path<String>,
    OrEmpty(Nothing {}): OrEmpty<Nothing>,
) -> Result<Response, Problem> {
    caller.require(PAYMENTS_WRITE)?;
    let (tenant, id) = (caller.0.tenant, known(&id, ENDPOINT)?);
    let delivery = server::owned(async move { app.hooks.ping(&tenant, id).await }).await?;
    Ok((StatusCode::ACCEPTED, shown(DeliveryBody::of(&delivery))).into_response())
}
