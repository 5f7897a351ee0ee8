//! Spans inside a request: a call, a statement, the handling of an event.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::Link;

use crate::attribute::AttributeValue;
use crate::context::TraceContext;
use crate::export::{Record, otel_context};
use crate::role::Telemetry;

/// How a span stands to the one at the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside the process.
    Internal,
    /// The serving side of a call.
    Server,
    /// The asking side of a call, a database statement included.
    Client,
    /// The sending of an event.
    Producer,
    /// The handling of an event.
    Consumer,
}

impl From<SpanKind> for opentelemetry::trace::SpanKind {
    fn from(kind: SpanKind) -> Self {
        match kind {
            SpanKind::Internal => Self::Internal,
            SpanKind::Server => Self::Server,
            SpanKind::Client => Self::Client,
            SpanKind::Producer => Self::Producer,
            SpanKind::Consumer => Self::Consumer,
        }
    }
}

/// A span that ends when it is dropped. One that is not recorded (no endpoint, no parent, an unsampled trace)
/// costs a branch, and [`context`](Self::context) is then its parent's, so that ids still travel.
#[derive(Debug)]
pub struct Span {
    context: Option<TraceContext>,
    recording: Option<Box<Recording>>,
}

#[derive(Debug)]
struct Recording {
    telemetry: Telemetry,
    started: Duration,
    record: Record,
}

impl Span {
    pub(crate) fn start(
        telemetry: &Telemetry,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<TraceContext>,
    ) -> Self {
        let parent = parent.or_else(TraceContext::current);
        let Some(from) = parent.filter(|parent| parent.sampled() && telemetry.exports()) else {
            return Self {
                context: parent,
                recording: None,
            };
        };
        let context = from.child(true);
        let recording = Recording {
            telemetry: telemetry.clone(),
            started: telemetry.clock().monotonic(),
            record: Record::new(context, Some(from), name.into(), kind),
        };
        Self {
            context: Some(context),
            recording: Some(Box::new(recording)),
        }
    }

    /// The context to hand on: `traceparent` of a call, scope of the work. `None` outside any trace.
    pub fn context(&self) -> Option<TraceContext> {
        self.context
    }

    /// Whether it will be exported. Ask before an attribute that costs something to compute.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Adds an attribute under its semantic-convention name. A name or a value that looks like a secret is masked.
    pub fn attribute(&mut self, name: &'static str, value: impl Into<AttributeValue>) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.record.attribute(name, value.into());
        }
        self
    }

    /// Ties the span to another trace that caused it too, as a batch is caused by all its messages.
    pub fn link(&mut self, to: TraceContext) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording
                .record
                .links
                .push(Link::new(otel_context(to), Vec::<KeyValue>::new(), 0));
        }
        self
    }

    /// Marks it as failed with a stable error code (`error.type`).
    pub fn fail(&mut self, code: &'static str) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.record.fail(code);
        }
        self
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(recording) = self.recording.take() {
            let Recording {
                telemetry,
                started,
                record,
            } = *recording;
            let elapsed = telemetry.clock().monotonic().saturating_sub(started);
            telemetry.write(record, elapsed);
        }
    }
}
