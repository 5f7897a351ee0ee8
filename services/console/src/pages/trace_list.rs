//! Traces in a row, each leading to its waterfall.

use pages::{Column, Markup, Tone, badge, empty, html, table};

use super::trace_address;
use super::words::{count, micros, moment};
use crate::model::TraceSummary;

/// A table of them; `nothing` stands there when there are none.
pub(super) fn trace_list(caption: &str, traces: &[TraceSummary], nothing: &str) -> Markup {
    if traces.is_empty() {
        return empty(nothing);
    }
    let columns = [
        ("Trace", false),
        ("Answer", false),
        ("Duration", true),
        ("Services", false),
        ("Began", false),
    ]
    .map(|(name, number)| Column { name, number });
    let rows: Vec<Vec<Markup>> = traces.iter().map(row).collect();
    table(caption, &columns, &rows)
}

fn row(trace: &TraceSummary) -> Vec<Markup> {
    vec![
        html! { a href=(trace_address(&trace.trace_id)) { (trace.service) " " (trace.name) } },
        answer(trace),
        html! { (micros(trace.duration_us)) },
        html! { (trace.services.join(", ")) p.hint { (count(trace.spans, "span")) } },
        moment(trace.started_unix_ms),
    ]
}

/// How it ended.
pub(super) fn answer(trace: &TraceSummary) -> Markup {
    let status = trace.status.map_or_else(String::new, |status| status.to_string());
    match (trace.failed, status.is_empty()) {
        (true, true) => badge(Tone::Bad, "failed"),
        (true, false) => badge(Tone::Bad, &format!("{status}, failed")),
        (false, true) => html! { "–" },
        (false, false) => html! { (status) },
    }
}
