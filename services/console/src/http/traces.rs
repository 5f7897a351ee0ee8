//! `GET /v1/console/traces` and `/v1/console/traces/{trace_id}`.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use identity::CONSOLE_READ;
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Json, NoQuery, Path, Query};

use super::documented::Refusals;
use super::{App, PRIVATE};
use crate::model::{StatusFilter, TraceLookup, TracePage, TraceQuery, TraceView};
use crate::parse_trace_id;

/// Which traces.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TracesQuery {
    /// One span is of this service
    #[param(max_length = 100)]
    service: Option<String>,
    /// and of this route, as in `GET /v1/links/{code}` or the path alone
    #[param(max_length = 200)]
    route: Option<String>,
    /// and was answered with this status, as in `404` or `5xx`
    #[param(pattern = "^[1-5]([0-9]{2}|xx)$")]
    status: Option<String>,
    /// and failed
    failed: Option<bool>,
    /// and took at least so long; without service, route and status the trace did
    #[param(maximum = 86_400_000)]
    duration_min_ms: Option<u64>,
    /// and at most so long
    #[param(maximum = 86_400_000)]
    duration_max_ms: Option<u64>,
    /// At most so many
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before
    before: Option<u64>,
}

/// The longest span that is kept.
const DURATION_MS_MAX: u64 = 86_400_000;
const LIMIT_MAX: usize = 200;

impl TracesQuery {
    fn meant(self) -> Result<TraceQuery, Problem> {
        let duration = |name: &str, given: Option<u64>| match given {
            Some(ms) if ms > DURATION_MS_MAX => Err(Problem::invalid_request(format!(
                "`{name}` is at most {DURATION_MS_MAX}"
            ))),
            given => Ok(given.map(Duration::from_millis)),
        };
        if self.limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
            return Err(Problem::invalid_request(format!("`limit` is 1 to {LIMIT_MAX}")));
        }
        let status = self.status.as_deref().map(|text| {
            parse_status(text).ok_or_else(|| {
                Problem::invalid_request("`status` is a status such as 404, or a class such as 5xx")
            })
        });
        Ok(TraceQuery {
            status: status.transpose()?,
            service: self.service,
            route: self.route,
            failed: self.failed.unwrap_or(false),
            duration_min: duration("duration_min_ms", self.duration_min_ms)?,
            duration_max: duration("duration_max_ms", self.duration_max_ms)?,
            limit: self.limit.unwrap_or(0),
            before: self.before,
            slowest_first: false,
        })
    }
}

/// `404`, or `4xx`.
pub(crate) fn parse_status(text: &str) -> Option<StatusFilter> {
    let [first, rest @ ..] = text.as_bytes() else {
        return None;
    };
    if text.len() != 3 || !(b'1'..=b'5').contains(first) {
        return None;
    }
    match rest {
        b"xx" => Some(StatusFilter::Class(u16::from(first - b'0'))),
        _ if rest.iter().all(u8::is_ascii_digit) => text.parse().ok().map(StatusFilter::Is),
        _ => None,
    }
}

/// List traces
///
/// The newest first. A trace is listed when one of its spans is all that is asked for.
#[utoipa::path(
    get,
    path = "/v1/console/traces",
    operation_id = "list_traces",
    tag = "console",
    security(("token" = ["console:read"])),
    params(TracesQuery),
    responses(
        (status = 200, description = "A page of traces", body = TracePage),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<TracesQuery>,
) -> Result<Response, Problem> {
    caller.require(CONSOLE_READ)?;
    let page = app.console.traces(&query.meant()?);
    Ok(([PRIVATE], Json(page)).into_response())
}

/// Show a trace
///
/// As far as it has come: spans are sent a second or so after they ended.
#[utoipa::path(
    get,
    path = "/v1/console/traces/{trace_id}",
    operation_id = "show_trace",
    tag = "console",
    security(("token" = ["console:read"])),
    params(("trace_id" = String, Path, description = "32 hexadecimal digits", min_length = 32, max_length = 32, pattern = "^[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "The trace", body = TraceView),
        (status = 404, description = "It has not come, or gave way to newer ones: `code` is `not_found` or `evicted`", body = Problem, content_type = "application/problem+json"),
        Refusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Authenticated,
    Path(trace_id): Path<String>,
    _query: NoQuery,
) -> Result<Response, Problem> {
    caller.require(CONSOLE_READ)?;
    let found = parse_trace_id(&trace_id).map_or(TraceLookup::Unknown, |id| app.console.trace(id));
    match found {
        TraceLookup::Found(trace) => Ok(([PRIVATE], Json(trace)).into_response()),
        TraceLookup::Evicted => Err(Problem::new(
            http::StatusCode::NOT_FOUND,
            "evicted",
            "this trace was here and gave way to newer ones",
        )),
        TraceLookup::Unknown => Err(Problem::not_found(
            "nothing of such a trace has come: it is not recorded, not here yet, or long gone",
        )),
    }
}
