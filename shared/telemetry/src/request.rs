//! The span of a served request, and the decision whether it exists.

use std::time::Duration;

use http::Method;

use crate::attribute::AttributeValue;
use crate::context::TraceContext;
use crate::export::{Priority, Record};
use crate::role::Telemetry;
use crate::span::SpanKind;

/// The name of a method as spans and metrics carry it: a known one, or `_OTHER`, for a client could invent any number.
pub fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}

/// A request being served. Its trace id and span id exist from the start; its span only when it is worth one:
/// the trace is sampled, or it ends in an error, or it was slow.
#[derive(Debug)]
pub struct RequestSpan {
    telemetry: Telemetry,
    method: &'static str,
    parent: Option<TraceContext>,
    context: TraceContext,
    started: Duration,
    attributes: Vec<(&'static str, AttributeValue)>,
    recordable: bool,
    ended: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestEnd<'a> {
    /// The matched route (`/v1/links/{code}`), never the path; empty when nothing matched.
    pub route: &'a str,
    /// The answer's status; 0 when the client went away before one was sent.
    pub status: u16,
    /// The problem's code, when the answer is one.
    pub error_code: Option<&'static str>,
}

/// What the metrics of a finished request need.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// How long the request took.
    pub elapsed: Duration,
    /// The trace that shows it, when its span was handed to the exporter: the exemplar.
    pub recorded: Option<TraceContext>,
}

impl RequestSpan {
    pub(crate) fn start(telemetry: &Telemetry, method: &Method, traceparent: Option<&str>) -> Self {
        let parent = traceparent.and_then(TraceContext::parse);
        let sampler = telemetry.sampler();
        let context = match parent {
            Some(parent) => parent.child(sampler.with_parent(parent)),
            None => TraceContext::root(|trace_id| sampler.by_trace_id(trace_id)),
        };
        Self {
            telemetry: telemetry.clone(),
            method: method_name(method),
            parent,
            context,
            started: telemetry.clock().monotonic(),
            attributes: Vec::new(),
            recordable: true,
            ended: false,
        }
    }

    /// The same for a request that never gets a span, whatever becomes of it: what carries spans in would else make spans
    /// without end.
    pub(crate) fn unrecorded(telemetry: &Telemetry, method: &Method) -> Self {
        Self {
            telemetry: telemetry.clone(),
            method: method_name(method),
            parent: None,
            context: TraceContext::root(|_| false),
            started: telemetry.clock().monotonic(),
            attributes: Vec::new(),
            recordable: false,
            ended: false,
        }
    }

    /// The context that the request's work runs in and that its answer shows.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Adds an attribute, kept only if the trace is sampled.
    pub fn attribute(&mut self, name: &'static str, value: impl Into<AttributeValue>) -> &mut Self {
        if self.context.sampled() && self.telemetry.exports() {
            self.attributes.push((name, value.into()));
        }
        self
    }

    /// Ends it. An unsampled request writes its span here, with the ids it was answered with, if it failed or was
    /// slower than the objective: so the trace id in an error answer always opens something.
    pub fn finish(mut self, end: RequestEnd<'_>) -> Finished {
        self.end(&end)
    }

    fn end(&mut self, end: &RequestEnd<'_>) -> Finished {
        self.ended = true;
        let elapsed = self.telemetry.clock().monotonic().saturating_sub(self.started);
        if !self.telemetry.exports() || !self.recordable {
            return Finished {
                elapsed,
                recorded: None,
            };
        }
        let priority =
            if self.context.sampled() || end.status >= 500 || elapsed >= self.telemetry.slow_request() {
                Priority::Ordinary
            } else if end.status >= 400 || end.error_code.is_some() {
                Priority::Refusal
            } else {
                return Finished {
                    elapsed,
                    recorded: None,
                };
            };
        let record = self.record(end);
        let recorded = self.telemetry.write_with(record, elapsed, priority);
        Finished {
            elapsed,
            recorded: recorded.then_some(self.context),
        }
    }

    fn record(&mut self, end: &RequestEnd<'_>) -> Record {
        let name = if end.route.is_empty() {
            self.method.into()
        } else {
            format!("{} {}", self.method, end.route).into()
        };
        let mut record = Record::new(self.context, self.parent, name, SpanKind::Server);
        record.attribute("http.request.method", self.method.into());
        record.attribute("url.scheme", "http".into());
        if !end.route.is_empty() {
            record.attribute("http.route", end.route.to_owned().into());
        }
        if end.status != 0 {
            record.attribute("http.response.status_code", end.status.into());
        }
        for (name, value) in std::mem::take(&mut self.attributes) {
            record.attribute(name, value);
        }
        match end.error_code {
            // A refusal is the client's error: semantic conventions leave the server span's status unset.
            Some(code) if end.status < 500 => record.attribute("error.type", code.into()),
            Some(code) => record.fail(code),
            None if end.status >= 500 => record.fail("internal"),
            None => {}
        }
        record
    }
}

/// A request that is dropped was abandoned by its client: a sampled trace shows that instead of a hole.
impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.ended {
            self.end(&RequestEnd {
                route: "",
                status: 0,
                error_code: Some("client_disconnected"),
            });
        }
    }
}
