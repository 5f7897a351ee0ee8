//! `/v1/links`: making and managing links.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use idempotency::{Fingerprint, IdempotencyKey, Idempotent, Outcome};
use identity::{LINKS_READ, LINKS_WRITE};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Json, NoQuery, Path, Query};

use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{LinkBody, LinkListBody, LinkPatchBody, NewLinkBody};
use super::{App, PRIVATE, cursor};
use crate::error::LinkError;
use crate::link::{Clicks, Code, CountedLink, Link};
use crate::operations::{Creator, LinkFilter};

/// Says that an answer is the one the first request with its key got.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Make a link
///
/// With an `Idempotency-Key` a repeat of the request gets the first answer, for at least 24 hours, also when the first answer was never seen.
#[utoipa::path(
    post,
    path = "/v1/links",
    operation_id = "create_link",
    tag = "links",
    security(("token" = ["links:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)),
    request_body(content = NewLinkBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The link is made", body = LinkBody, headers(
            ("Location" = String, description = "The link's own resource"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when this is the answer to an earlier request with the same key"),
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 409, description = "`alias_taken`, or `idempotency_in_flight`: the first request with this key has no answer yet", body = Problem, content_type = "application/problem+json", headers(
            ("Retry-After" = Option<String>, description = "When to ask again, in seconds; only for `idempotency_in_flight`"))),
        (status = 507, description = "`codes_exhausted`: every generated code is given out", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    headers: HeaderMap,
    Json(body): Json<NewLinkBody>,
) -> Result<Response, Problem> {
    caller.require(LINKS_WRITE)?;
    let key = IdempotencyKey::from_headers(&headers)?;
    let idempotent =
        key.map(|key| Idempotent::new(key, Fingerprint::of("POST", "/v1/links", &body.canonical())));
    let by = Creator {
        principal: caller.0,
        idempotent,
    };
    let made = make(&app, by, body).await?;
    Ok(made_response(&app, &made))
}

/// In a task of its own: a client that goes away leaves no half-made link, and no copy without an answer.
pub(crate) async fn make(app: &App, by: Creator, body: NewLinkBody) -> Result<Outcome<Link>, LinkError> {
    let asked = body.into_request()?;
    let owned = app.clone();
    server::owned(async move {
        let outcome = owned.links.create_link(&by, asked).await?;
        // In here, for what was made is counted also when nobody waits any more.
        match &outcome {
            Outcome::Fresh(_) => owned.metrics.links_created.inc(),
            Outcome::Replayed(_) => owned.metrics.links_replayed.inc(),
        };
        Ok(outcome)
    })
    .await
}

fn made_response(app: &App, made: &Outcome<Link>) -> Response {
    // As it was made, whatever happened to it since: the answer is the same each time.
    let body = LinkBody::of(app, made.get(), Clicks::default());
    let location = HeaderValue::from_str(&format!("/v1/links/{}", body.code)).expect("codes are ASCII");
    let mut response = (StatusCode::CREATED, [(LOCATION, location), PRIVATE], Json(body)).into_response();
    if made.is_replay() {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    limit: Option<u32>,
    tag: Option<String>,
    q: Option<String>,
    owner: Option<String>,
    archived: Option<bool>,
}

/// List links
///
/// The tenant's links, newest first. Paging on shows each link that exists throughout exactly once, whatever is made or deleted meanwhile.
/// With a filter a page may have fewer links than asked for, or none, though others follow: `next_cursor` tells.
#[utoipa::path(
    get,
    path = "/v1/links",
    operation_id = "list_links",
    tag = "links",
    security(("token" = ["links:read"])),
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]{11}$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most links on the page", minimum = 1, maximum = 100, nullable = false),
        ("tag" = Option<String>, Query, description = "Only links with this tag", nullable = false),
        ("q" = Option<String>, Query, description = "Only links with this text in code, URLs, title, notes or tags, in capitals or not", max_length = 200, nullable = false),
        ("owner" = Option<String>, Query, description = "Only this user's links", max_length = 64, nullable = false),
        ("archived" = Option<bool>, Query, description = "Only links that are, or are not, archived", nullable = false)
    ),
    responses(
        (status = 200, description = "A page", body = LinkListBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let before = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let filter = LinkFilter::parse(query.tag, query.q, query.owner.as_deref(), query.archived)?;
    let listed = app
        .links
        .search_links(&caller.0.tenant, before, query.limit, &filter)
        .await?;
    Ok(([PRIVATE], Json(LinkListBody::of(&app, &listed))).into_response())
}

/// Show a link
#[utoipa::path(
    get,
    path = "/v1/links/{code}",
    operation_id = "show_link",
    tag = "links",
    security(("token" = ["links:read"])),
    params(("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$")),
    responses(
        (status = 200, description = "The link", body = LinkBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such link, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let counted = app.links.find_link(&caller.0.tenant, &known(&code)?).await?;
    Ok(([PRIVATE], Json(LinkBody::counted(&app, &counted))).into_response())
}

/// Change a link
///
/// The rules hold for the whole result. Redirects follow the change from its answer on (other processes' within their cache's time to live).
#[utoipa::path(
    patch,
    path = "/v1/links/{code}",
    operation_id = "update_link",
    tag = "links",
    security(("token" = ["links:write"])),
    params(("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$")),
    request_body(content = LinkPatchBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The link as it is now", body = LinkBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such link, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`link_contended`: others kept changing it", body = Problem, content_type = "application/problem+json", headers(
            ("Retry-After" = String, description = "When to try again, in seconds"))),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn update(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(code): Path<String>,
    Json(body): Json<LinkPatchBody>,
) -> Result<Response, Problem> {
    caller.require(LINKS_WRITE)?;
    let counted = change(&app, &caller.0.tenant, &known(&code)?, None, body).await?;
    Ok(([PRIVATE], Json(LinkBody::counted(&app, &counted))).into_response())
}

/// In a task of its own, as [`make`]. Made over this revision only, if one is given.
pub(crate) async fn change(
    app: &App,
    tenant: &identity::Tenant,
    code: &Code,
    revision: Option<u64>,
    body: LinkPatchBody,
) -> Result<CountedLink, LinkError> {
    let mut change = body.into_change()?;
    change.revision = revision;
    let (owned, tenant, code) = (app.clone(), tenant.clone(), *code);
    server::owned(async move {
        let counted = owned.links.update_link(&tenant, &code, &change).await?;
        owned.metrics.links_updated.inc();
        Ok(counted)
    })
    .await
}

/// Delete a link
///
/// Its alias is free from then on; a generated code is never used again.
#[utoipa::path(
    delete,
    path = "/v1/links/{code}",
    operation_id = "delete_link",
    tag = "links",
    security(("token" = ["links:write"])),
    params(("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$")),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "No such link, or another tenant's", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn delete(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Path(code): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(LINKS_WRITE)?;
    remove(&app, &caller.0.tenant, &known(&code)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// In a task of its own, as [`make`].
pub(crate) async fn remove(app: &App, tenant: &identity::Tenant, code: &Code) -> Result<(), LinkError> {
    let (owned, tenant, code) = (app.clone(), tenant.clone(), *code);
    server::owned(async move {
        owned.links.delete_link(&tenant, &code).await?;
        owned.metrics.links_deleted.inc();
        Ok(())
    })
    .await
}

/// A code that no link can have leads nowhere, like any other that none has.
fn known(code: &str) -> Result<Code, LinkError> {
    Code::parse(code).ok_or(LinkError::NotFound)
}
