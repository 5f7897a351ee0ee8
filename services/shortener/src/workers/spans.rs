//! Spans of what consumes events.

use telemetry::{Span, SpanKind, Telemetry, TraceContext};

/// A span in each of the traces that led to an event, as far as they are recorded.
pub(super) fn consumer_spans(
    telemetry: &Telemetry,
    traces: &[String],
    stream: &'static str,
    group: &'static str,
    event_id: &str,
) -> Vec<Span> {
    let begin = |parent| {
        let mut span = telemetry.span("process clicks", SpanKind::Consumer, Some(parent));
        span.attribute("messaging.system", "orrery_streams")
            .attribute("messaging.operation.name", "process")
            .attribute("messaging.operation.type", "process")
            .attribute("messaging.destination.name", stream)
            .attribute("messaging.consumer.group.name", group)
            .attribute("messaging.message.id", event_id.to_owned());
        span
    };
    let parents = traces
        .iter()
        .filter_map(|traceparent| TraceContext::parse(traceparent));
    parents.map(begin).take_while(Span::is_recording).collect()
}
