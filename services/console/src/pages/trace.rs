//! One trace: what took how long inside what, and which of it is to blame. Also while its spans still come, and where there is none.

mod waterfall;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pages::{Markup, Tone, card, html, notice, number};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::live::stream_of;
use super::red::float;
use super::trace_list::answer;
use super::traces::by_id;
use super::words::{count, day_and_time, micros};
use super::{HOME, Part, SignedIn, kept_live, missing, service_address, trace_address};
use crate::http::App;
use crate::model::{TraceLookup, TraceView};
use crate::parse_trace_id;
use waterfall::{anchor, waterfall};

/// Rows on a page; a trace of more goes on on the next.
const ROWS_MAX: usize = 400;

/// From which row on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShowQuery {
    from: usize,
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Path(text): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Response {
    let Some(trace_id) = parse_trace_id(&text) else {
        let why = html! {
            (notice(Tone::Bad, &html! { "this is no trace id: it has 32 hexadecimal digits, as in " code { "traceparent" } " or in an error answer." }))
            (card("find", "Another one", &by_id("", "")))
        };
        return missing(&who, "No trace id", &why).into_response();
    };
    let lookup = app.console.trace(trace_id);
    let title = match &lookup {
        TraceLookup::Found(trace) => format!("{} {}", trace.summary.service, trace.summary.name),
        TraceLookup::Evicted | TraceLookup::Unknown => "No such trace".to_owned(),
    };
    let found = matches!(lookup, TraceLookup::Found(_));
    let live = format!("{}/live?from={}", trace_address(&text), query.from);
    let body = html! {
        p.back { a href=(HOME) { "Console" } " · " a href=(format!("{HOME}/traces")) { "Traces" } }
        h1 { (title) }
        (kept_live(&live, vec![part(&app, trace_id, &lookup, query.from)]))
    };
    let status = if found {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    who.page(&title, body).with_status(status).into_response()
}

pub(super) async fn live(
    State(app): State<App>,
    _who: SignedIn,
    Path(text): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    let trace_id = parse_trace_id(&text).ok_or_else(|| Problem::not_found("this is no trace id"))?;
    stream_of(&app, move |app| {
        vec![part(app, trace_id, &app.console.trace(trace_id), query.from)]
    })
}

/// The trace, or why it is not there: both in the same place, so that the one becomes the other when spans come.
fn part(app: &App, trace_id: u128, lookup: &TraceLookup, from: usize) -> Part {
    let markup = match lookup {
        TraceLookup::Found(trace) => drawn(trace, from),
        TraceLookup::Evicted => evicted(app),
        TraceLookup::Unknown => unknown(trace_id),
    };
    Part { id: "trace", markup }
}

fn evicted(app: &App) -> Markup {
    let megabytes = float(u64::try_from(app.console.holdings().bytes_max).unwrap_or(u64::MAX)) / 1e6;
    html! {
        (notice(Tone::Plain, &html! { "this trace was here, and gave way to newer ones: the console keeps " (number(megabytes)) " MB of spans." }))
        p { "More are kept with a larger " code { "console.memory_bytes_max" } "; for days, send traces to Tempo (see " code { "infra/compose.yaml" } ")." }
    }
}

fn unknown(trace_id: u128) -> Markup {
    html! {
        (notice(Tone::Plain, &html! { "nothing of trace " code { (format!("{trace_id:032x}")) } " has come here." }))
        ul {
            li { "It may be under way: spans come a second or so after they end. This page shows it by itself when it comes." }
            li { "It may not have been recorded: see " code { "telemetry.sample_ratio" } ". What failed or was slow has its first span all the same." }
            li { "It may be older than this console, which keeps traces in memory only." }
        }
    }
}

fn drawn(trace: &TraceView, from: usize) -> Markup {
    html! {
        (card("about", "The trace", &about(trace)))
        (card("spans", "What took how long", &spans(trace, from)))
    }
}

fn about(trace: &TraceView) -> Markup {
    let summary = &trace.summary;
    html! {
        dl {
            dt { "Answer" } dd { (answer(summary)) }
            dt { "Duration" } dd { (micros(summary.duration_us)) }
            dt { "Began" } dd { (day_and_time(summary.started_unix_ms)) }
            dt { "Services" } dd { @for (i, service) in summary.services.iter().enumerate() { @if i > 0 { ", " } a href=(service_address(service)) { (service) } } }
            dt { "Spans" } dd {
                (count(trace.spans.len(), "span"))
                @if trace.spans_refused > 0 { ", and " (number(float(trace.spans_refused))) " more that were not taken: a trace may have only so many" }
            }
            dt { "Trace id" } dd { code { (summary.trace_id) } }
        }
        @if !trace.complete {
            (notice(Tone::Plain, &html! { "parts of it have not come, or not yet: a span is missing that others stand below." }))
        }
    }
}

fn spans(trace: &TraceView, from: usize) -> Markup {
    let from = if from < trace.spans.len() { from } else { 0 };
    let rest = &trace.spans[from..];
    let next = from + ROWS_MAX;
    let at = |from: usize| format!("{}?from={from}", trace_address(&trace.summary.trace_id));
    let slowest = trace.spans.iter().position(|span| span.slowest);
    html! {
        @if let Some((place, span)) = slowest.and_then(|place| Some((place, trace.spans.get(place)?))) {
            p.headline {
                "Most time was spent in "
                // It may stand on another page.
                @let page = if (from..next).contains(&place) { String::new() } else { at(place / ROWS_MAX * ROWS_MAX) };
                a href=(format!("{page}#{}", anchor(span))) { (span.service) " " (span.name) }
                ": " (micros(span.self_us)) " by itself, of " (micros(trace.summary.duration_us)) "."
            }
        }
        (waterfall(trace, &rest[..rest.len().min(ROWS_MAX)]))
        p.hint { "A bar is full where its span was busy by itself, pale where it waited for others. The marked edge is the critical path: without it the whole would have ended sooner. A row opens." }
        @if trace.spans.len() > ROWS_MAX {
            div.pager {
                @if from > 0 { a.button.quiet href=(at(from.saturating_sub(ROWS_MAX))) { "Earlier rows" } }
                @if next < trace.spans.len() { a.button.quiet href=(at(next)) { "Later rows" } }
            }
        }
    }
}
