//! Statistics: `GET /v1/links/{code}/stats`, `/v1/stats` and `/v1/stats/top`, as JSON or CSV.

mod query;
mod table;
mod wire;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, VARY};
use http::{HeaderMap, HeaderValue};
use identity::LINKS_READ;
use problem::Problem;
use server::{Authenticated, Json, Path, Query};

use super::documented::ManagedRefusals;
use super::{App, PRIVATE};
use crate::error::LinkError;
use crate::link::Code;
use query::{Format, StatsQuery, TopQuery};
use wire::{ReportBody, TopBody};

const BY_ACCEPT: (HeaderName, HeaderValue) = (VARY, HeaderValue::from_static("accept"));
const CSV: (HeaderName, HeaderValue) = (
    CONTENT_TYPE,
    HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
);

/// Show a link's statistics
///
/// A click is in them about a second after it was made. `clicks` and `series` are exactly those of the range, all else is of the whole UTC
/// days that it touches. Robots are counted apart, and clicks that became known more than an hour late are in `late` only.
#[utoipa::path(
    get,
    path = "/v1/links/{code}/stats",
    operation_id = "show_link_stats",
    tag = "statistics",
    security(("token" = ["links:read"])),
    params(
        ("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$"),
        StatsQuery
    ),
    responses(
        (status = 200, description = "The statistics; as CSV each value is a row of `metric,key,value`", content((ReportBody = "application/json"), (String = "text/csv")), headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such link, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn of_link(
    State(app): State<App>,
    caller: Authenticated,
    Path(code): Path<String>,
    Query(query): Query<StatsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let (range, format) = (query.range(app.links.clock.unix_ms())?, query.format(&headers)?);
    let code = Code::parse(&code).ok_or(LinkError::NotFound)?;
    let (_, report) = app.links.link_report(&caller.0.tenant, &code, range).await?;
    Ok(match format {
        Format::Json => ([PRIVATE, BY_ACCEPT], Json(ReportBody::of(report))).into_response(),
        Format::Csv => ([PRIVATE, BY_ACCEPT, CSV], table::report(&report)).into_response(),
    })
}

/// Show the statistics of all links
///
/// Of all the tenant's links together, deleted ones included. Otherwise as those of one link.
#[utoipa::path(
    get,
    path = "/v1/stats",
    operation_id = "show_stats",
    tag = "statistics",
    security(("token" = ["links:read"])),
    params(StatsQuery),
    responses(
        (status = 200, description = "The statistics; as CSV each value is a row of `metric,key,value`", content((ReportBody = "application/json"), (String = "text/csv")), headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn of_tenant(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<StatsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let (range, format) = (query.range(app.links.clock.unix_ms())?, query.format(&headers)?);
    let report = app.links.tenant_report(&caller.0.tenant, range).await?;
    Ok(match format {
        Format::Json => ([PRIVATE, BY_ACCEPT], Json(ReportBody::of(report))).into_response(),
        Format::Csv => ([PRIVATE, BY_ACCEPT, CSV], table::report(&report)).into_response(),
    })
}

/// List the links that are followed most
///
/// On the UTC days that the range touches. Counts are estimates that are never too low; `error_max` says by how much they may be too high.
#[utoipa::path(
    get,
    path = "/v1/stats/top",
    operation_id = "list_top_links",
    tag = "statistics",
    security(("token" = ["links:read"])),
    params(TopQuery),
    responses(
        (status = 200, description = "The links, the one with most clicks first; as CSV a row each", content((TopBody = "application/json"), (String = "text/csv")), headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn top(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<TopQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let (range, format) = (query.range(app.links.clock.unix_ms())?, query.format(&headers)?);
    let top = app
        .links
        .top_links(&caller.0.tenant, range, query.limit()?)
        .await?;
    let body = TopBody::of(&app, range, top);
    Ok(match format {
        Format::Json => ([PRIVATE, BY_ACCEPT], Json(body)).into_response(),
        Format::Csv => ([PRIVATE, BY_ACCEPT, CSV], table::top(&body)).into_response(),
    })
}
