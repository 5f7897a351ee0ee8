//! Out of the process: finished spans, a bounded queue, the SDK's batch thread, OTLP. A span is made by hand and given
//! to the batch processor, for ids are decided before there is a span and no SDK tracer is on the path.

mod pipeline;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, SpanContext, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanLinks};

pub(crate) use pipeline::{Export, ExportCounters};

use crate::attribute::AttributeValue;
use crate::context::TraceContext;
use crate::span::SpanKind;

/// How badly a span is wanted when the queue fills up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Sampled, failed or slow.
    Ordinary,
    /// An unsampled request that was refused. Anybody can cause these by the thousand, so they get half of the queue.
    Refusal,
}

/// A span being written.
#[derive(Debug)]
pub(crate) struct Record {
    context: TraceContext,
    parent: Option<TraceContext>,
    name: Cow<'static, str>,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    pub(crate) links: Vec<Link>,
    status: Status,
}

impl Record {
    pub(crate) fn new(
        context: TraceContext,
        parent: Option<TraceContext>,
        name: Cow<'static, str>,
        kind: SpanKind,
    ) -> Self {
        let (attributes, links) = (Vec::with_capacity(8), Vec::new());
        Self {
            context,
            parent,
            name,
            kind,
            attributes,
            links,
            status: Status::Unset,
        }
    }

    pub(crate) fn attribute(&mut self, name: &'static str, value: AttributeValue) {
        self.attributes.push(KeyValue::new(name, value.into_otel(name)));
    }

    pub(crate) fn fail(&mut self, code: &'static str) {
        self.status = Status::error(code);
        self.attribute("error.type", code.into());
    }

    /// The SDK's form. The start is told from the end, so that a span that nobody had planned has one too.
    pub(crate) fn into_span_data(
        self,
        ended_unix_micros: u64,
        elapsed: Duration,
        scope: InstrumentationScope,
    ) -> SpanData {
        let end_time = SystemTime::UNIX_EPOCH + Duration::from_micros(ended_unix_micros);
        let mut links = SpanLinks::default();
        links.links = self.links;
        SpanData {
            span_context: otel_context(self.context),
            parent_span_id: self.parent.map_or(opentelemetry::SpanId::INVALID, otel_span_id),
            parent_span_is_remote: self.parent.is_some_and(|parent| parent.remote()),
            span_kind: self.kind.into(),
            name: self.name,
            start_time: end_time.checked_sub(elapsed).unwrap_or(SystemTime::UNIX_EPOCH),
            end_time,
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: opentelemetry_sdk::trace::SpanEvents::default(),
            links,
            status: self.status,
            instrumentation_scope: scope,
        }
    }
}

fn otel_span_id(context: TraceContext) -> opentelemetry::SpanId {
    opentelemetry::SpanId::from(context.span_id().as_u64())
}

/// The context in the OpenTelemetry crates' form. What is exported is by definition sampled, whatever was decided at
/// the start: a collector drops a span whose flag says otherwise.
pub(crate) fn otel_context(context: TraceContext) -> SpanContext {
    SpanContext::new(
        opentelemetry::TraceId::from(context.trace_id().as_u128()),
        otel_span_id(context),
        TraceFlags::SAMPLED,
        context.remote(),
        TraceState::default(),
    )
}
