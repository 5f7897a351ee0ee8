//! The spans of a trace as rows of a timeline.

use std::collections::HashMap;

use pages::{Markup, Stretch, TimelineRow, html, timeline};

use super::super::trace_address;
use super::super::words::micros;
use crate::model::{SpanView, TraceView};

/// Words that fit beside a name.
const ERROR_CHARS_MAX: usize = 60;

/// The id of a span's row.
pub(super) fn anchor(span: &SpanView) -> String {
    format!("span-{}", span.span_id)
}

/// When the whole began and how long it was, in microseconds; clocks that disagree make it longer.
struct Whole {
    from_us: i64,
    length_us: f64,
}

impl Whole {
    fn of(spans: &[SpanView]) -> Self {
        let from_us = spans.iter().map(|span| span.offset_us).min().unwrap_or(0).min(0);
        let until_us = spans.iter().map(end).max().unwrap_or(0);
        let length_us = float(until_us.saturating_sub(from_us)).max(1.0);
        Self { from_us, length_us }
    }

    fn stretch(&self, from_us: i64, until_us: i64) -> Stretch {
        Stretch {
            from: float(from_us.saturating_sub(self.from_us)) / self.length_us,
            length: float(until_us.saturating_sub(from_us)) / self.length_us,
        }
    }
}

fn end(span: &SpanView) -> i64 {
    let duration = i64::try_from(span.duration_us).unwrap_or(i64::MAX);
    span.offset_us.saturating_add(duration)
}

#[expect(clippy::cast_precision_loss, reason = "it is drawn")]
fn float(of: i64) -> f64 {
    of as f64
}

/// Draws `rows` of the trace, in proportion to all of it.
pub(super) fn waterfall(trace: &TraceView, rows: &[SpanView]) -> Markup {
    let whole = Whole::of(&trace.spans);
    let mut children: HashMap<&str, Vec<&SpanView>> = HashMap::new();
    for span in &trace.spans {
        if let (Some(parent), false) = (&span.parent_span_id, span.orphan) {
            children.entry(parent).or_default().push(span);
        }
    }
    let drawn: Vec<TimelineRow> = rows
        .iter()
        .map(|span| {
            let inside = children.get(span.span_id.as_str()).map_or(&[][..], Vec::as_slice);
            let own = own(span, inside)
                .into_iter()
                .map(|(from, until)| whole.stretch(from, until));
            row(
                trace,
                span,
                whole.stretch(span.offset_us, end(span)),
                own.collect(),
            )
        })
        .collect();
    let ticks: Vec<String> = [0.0, 0.25, 0.5, 0.75, 1.0]
        .into_iter()
        .map(|share| micros(rounded(share * whole.length_us)))
        .collect();
    timeline("Spans, each below the one that caused it", &ticks, &drawn)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length is not below 0, and casts of floats stop at the ends"
)]
fn rounded(us: f64) -> u64 {
    us.round() as u64
}

/// What of a span none of those inside it covers, from first to last.
fn own(span: &SpanView, inside: &[&SpanView]) -> Vec<(i64, i64)> {
    let mut covered: Vec<(i64, i64)> = inside.iter().map(|child| (child.offset_us, end(child))).collect();
    covered.sort_unstable();
    let (mut free, mut at) = (Vec::new(), span.offset_us);
    for (from, until) in covered {
        if from > at {
            free.push((at, from.min(end(span))));
        }
        at = at.max(until);
        if at >= end(span) {
            break;
        }
    }
    if at < end(span) {
        free.push((at, end(span)));
    }
    free.retain(|(from, until)| from < until);
    free
}

fn row(trace: &TraceView, span: &SpanView, whole: Stretch, own: Vec<Stretch>) -> TimelineRow {
    let colour = trace
        .summary
        .services
        .iter()
        .position(|name| *name == span.service)
        .unwrap_or(0);
    let failed = span
        .failed
        .then(|| match span.error.as_deref().unwrap_or_default() {
            "" => "failed".to_owned(),
            error => format!("failed: {}", cut(error)),
        });
    TimelineRow {
        id: anchor(span),
        depth: span.depth,
        who: span.service.clone(),
        colour,
        what: span.name.clone(),
        when: None,
        took: micros(span.duration_us),
        whole,
        own,
        failed,
        critical: span.critical,
        picked: span
            .slowest
            .then(|| format!("most time: {} by itself", micros(span.self_us))),
        inside: inside(trace, span),
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(ERROR_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// All that is known of it.
fn inside(trace: &TraceView, span: &SpanView) -> Markup {
    let began = span.offset_us.unsigned_abs();
    html! {
        dl {
            dt { "Duration" } dd { (micros(span.duration_us)) ", of which " (micros(span.self_us)) " by itself" }
            dt { "Began" } dd { (micros(began)) @if span.offset_us < 0 { " before the trace: clocks disagree" } @else { " after the trace" } }
            dt { "Kind" } dd { (span.kind) }
            dt { "Span" } dd { (span.span_id) @if let Some(parent) = &span.parent_span_id { ", caused by " (parent) @if span.orphan { ", which is not here" } } }
            @if let Some(error) = &span.error { dt { "Error" } dd { (error) } }
            @for attribute in &span.attributes { dt { (attribute.name) } dd { (attribute.value) } }
            @for link in &span.links {
                dt { "Linked with" }
                dd {
                    @if link.trace_id == trace.summary.trace_id { a href=(format!("#span-{}", link.span_id)) { "span " (link.span_id) } }
                    @else { a href=(trace_address(&link.trace_id)) { "trace " (link.trace_id) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset_us: i64, duration_us: u64) -> SpanView {
        SpanView {
            span_id: "00000000000000aa".to_owned(),
            parent_span_id: None,
            depth: 0,
            orphan: false,
            service: "s".to_owned(),
            name: "n".to_owned(),
            kind: "internal",
            offset_us,
            duration_us,
            self_us: duration_us,
            critical: false,
            slowest: false,
            failed: false,
            error: None,
            attributes: Vec::new(),
            links: Vec::new(),
        }
    }

    #[test]
    fn a_bar_is_full_where_nothing_inside_it_runs() {
        let whole = span(0, 100);
        let own = |inside: &[(i64, u64)]| {
            let inside: Vec<SpanView> = inside.iter().map(|(from, length)| span(*from, *length)).collect();
            super::own(&whole, &inside.iter().collect::<Vec<_>>())
        };
        assert_eq!(own(&[]), [(0, 100)]);
        assert_eq!(own(&[(10, 20), (50, 10)]), [(0, 10), (30, 50), (60, 100)]);
        assert_eq!(
            own(&[(10, 50), (20, 10), (40, 30)]),
            [(0, 10), (70, 100)],
            "children overlap"
        );
        assert_eq!(own(&[(-20, 500)]), [], "clocks disagree");
        assert_eq!(own(&[(90, 50), (200, 5)]), [(0, 90)]);
    }

    #[test]
    fn a_span_that_began_before_the_trace_is_inside_the_drawing_all_the_same() {
        let spans = [span(0, 100), span(-100, 50)];
        let whole = Whole::of(&spans);
        assert_eq!((whole.from_us, whole.length_us), (-100, 200.0));
        let first = whole.stretch(-100, -50);
        assert!(first.from.abs() < 1e-9 && (first.length - 0.25).abs() < 1e-9);
        let extreme = Whole::of(&[span(i64::MIN, u64::MAX), span(i64::MAX, u64::MAX)]);
        assert!(extreme.length_us.is_finite());
    }

    #[test]
    fn what_an_error_says_is_cut_beside_the_name_between_letters() {
        assert_eq!(cut(&"ä".repeat(100)).chars().count(), ERROR_CHARS_MAX + 1);
        assert_eq!(cut("short"), "short");
    }
}
