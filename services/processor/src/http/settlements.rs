//! `/v1/processor/settlements`: what moved on a day.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use problem::Problem;
use serde::Serialize;
use server::{Json, NoQuery, Path, show_moment};

use super::caller::Caller;
use super::{App, PRIVATE};
use crate::charge::Movement;
use crate::error::ProcessorError;
use crate::moment::{parse_day, show_day};
use crate::operations::settle;
use crate::store::After;

/// The columns. None of what stands in them ever needs quoting.
const HEAD: &str = "charge_id,reference,kind,amount,currency,fee,at\n";

/// A settlement.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Settlement)]
pub(super) struct SettlementBody {
    /// The day (UTC).
    #[schema(format = Date, example = "2026-11-21")]
    date: String,
    /// How many captures and refunds.
    movements: u64,
}

/// Settlements.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SettlementList)]
pub(super) struct SettlementListBody {
    /// Latest first.
    settlements: Vec<SettlementBody>,
}

/// List settlements
///
/// The latest published days on which something moved.
#[utoipa::path(get, path = "/v1/processor/settlements", operation_id = "list_settlements", tag = "settlements",
    security(("secret" = [])),
    responses(
        (status = 200, description = "The days", body = SettlementListBody),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(State(app): State<App>, _: NoQuery, _: Caller) -> Result<Response, Problem> {
    let days = settle::days(&app, app.rules.list_max).await?;
    let settlements = days
        .iter()
        .map(|day| SettlementBody {
            date: show_day(day.number),
            movements: day.movements,
        })
        .collect();
    Ok(([PRIVATE], Json(SettlementListBody { settlements })).into_response())
}

/// Fetch a settlement
///
/// CSV with the columns `charge_id,reference,kind,amount,currency,fee,at`: each capture and refund of the day (UTC), by time. It does not change
/// once it is published, a minute after the day's end; until then it is 404. An answer that breaks off is not whole.
#[utoipa::path(get, path = "/v1/processor/settlements/{date}", operation_id = "fetch_settlement", tag = "settlements",
    security(("secret" = [])),
    params(("date" = String, Path, description = "The day, `2026-11-22`")),
    responses(
        (status = 200, description = "The lines", content((String = "text/csv"))),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`settlement_not_published`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No day", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    Path(date): Path<String>,
) -> Result<Response, Problem> {
    let day = parse_day(&date).ok_or_else(|| Problem::invalid_request("a day is written 2026-11-22"))?;
    settle::is_published(&app, day)?;
    // Read before anything is answered: what fails here is a problem, and later a broken answer.
    let (lines, next) = settle::lines(&app, day, None).await?;
    let first = Bytes::from(format!("{HEAD}{}", csv(&lines)));
    let rest = stream::try_unfold(next, move |after: Option<After>| {
        let app = app.clone();
        async move {
            let Some(after) = after else {
                return Ok::<_, ProcessorError>(None);
            };
            let (lines, next) = settle::lines(&app, day, Some(&after)).await?;
            Ok(Some((Bytes::from(csv(&lines)), next)))
        }
    });
    let first = stream::once(async move { Ok::<_, ProcessorError>(first) });
    let body = Body::from_stream(futures::StreamExt::chain(first, rest));
    let csv = (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    Ok(([csv, PRIVATE], body).into_response())
}

fn csv(lines: &[Movement]) -> String {
    let mut text = String::new();
    for line in lines {
        let (kind, at) = (line.kind.name(), show_moment(line.at_ms));
        let (charge_id, reference, amount, currency) =
            (&line.charge_id, &line.reference, line.amount, &line.currency);
        // Writing to a text does not fail.
        _ = writeln!(text, "{charge_id},{reference},{kind},{amount},{currency},0,{at}");
    }
    text
}
