//! From what was sent to what may be kept. Everybody on this machine may send, so nothing is believed: ids are checked,
//! texts are cut, lists are cut, times are compared with our clock.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::map::Way;
use crate::model::NodeKind;
use crate::traces::Kind;

/// Attributes of a span beyond these are left out.
const ATTRIBUTES_MAX: usize = 64;
/// Links beyond these.
const LINKS_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 200;
const SERVICE_BYTES_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 1_024;
/// A span of another day is a wrong clock or a wrong unit, and no chart could show it.
const CLOCKS_APART_MAX_MS: u64 = 24 * 3_600_000;
/// A span cannot have begun before this.
const DURATION_MAX_US: u64 = 24 * 3_600_000_000;

/// Why a span was not even looked at further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A trace id is 16 bytes and not zero, a span id 8 and not zero.
    Ids,
    /// It ended more than a day from now.
    Time,
}

/// What a span was sent to, or came from, by its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtherEnd {
    pub(crate) kind: NodeKind,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) way: Way,
}

/// A span that may be kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewSpan {
    pub(crate) trace_id: u128,
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) route: Option<String>,
    pub(crate) peer: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) other_end: Option<OtherEnd>,
    pub(crate) failed: bool,
    pub(crate) status: Option<u16>,
    pub(crate) start_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) error: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) links: Vec<(u128, u64)>,
}

/// Every span of the request, fit or not.
pub(crate) fn spans(request: ExportTraceServiceRequest, now_unix_ms: u64) -> Vec<Result<NewSpan, Unfit>> {
    let mut spans = Vec::new();
    for group in request.resource_spans {
        let resource = group
            .resource
            .map(|resource| resource.attributes)
            .unwrap_or_default();
        let service = resource.iter().find(|pair| pair.key == "service.name");
        let service = service.map(|pair| text(pair.value.as_ref(), SERVICE_BYTES_MAX));
        let service = service.filter(|name| !name.is_empty());
        let service = service.unwrap_or_else(|| "unknown_service".to_owned());
        let all = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(all.map(|span| one(&service, span, now_unix_ms)));
    }
    spans
}

fn one(service: &str, span: Span, now_unix_ms: u64) -> Result<NewSpan, Unfit> {
    let trace_id = id(&span.trace_id).map(u128::from_be_bytes).filter(|id| *id != 0);
    let span_id = id(&span.span_id).map(u64::from_be_bytes).filter(|id| *id != 0);
    let (Some(trace_id), Some(span_id)) = (trace_id, span_id) else {
        return Err(Unfit::Ids);
    };
    let end_us = span.end_time_unix_nano.max(span.start_time_unix_nano) / 1_000;
    if (end_us / 1_000).abs_diff(now_unix_ms) > CLOCKS_APART_MAX_MS {
        return Err(Unfit::Time);
    }
    let start_us = (span.start_time_unix_nano / 1_000).max(end_us.saturating_sub(DURATION_MAX_US));
    let said = |name: &str| span.attributes.iter().find(|pair| pair.key == name);
    let word = |name: &str| said(name).map(|pair| text(pair.value.as_ref(), NAME_BYTES_MAX));
    let status = word("http.response.status_code").or_else(|| word("http.status_code"));
    let name = cut(span.name.clone(), NAME_BYTES_MAX);
    let kind = kind(span.kind());
    let other_end = other_end(kind, &word);
    let failed = span
        .status
        .as_ref()
        .is_some_and(|status| status.code() == StatusCode::Error);
    Ok(NewSpan {
        trace_id,
        id: span_id,
        parent: id(&span.parent_span_id).map_or(0, u64::from_be_bytes),
        service: service.to_owned(),
        route: route(kind, &name, &word),
        peer: peer(kind, &word),
        status: status.and_then(|status| status.parse().ok()),
        error: error(&span, failed, &word),
        attributes: attributes(span.attributes),
        links: links(&span.links),
        name,
        kind,
        other_end,
        failed,
        start_us,
        duration_us: end_us - start_us,
    })
}

fn id<const BYTES: usize>(bytes: &[u8]) -> Option<[u8; BYTES]> {
    bytes.try_into().ok()
}

fn kind(kind: SpanKind) -> Kind {
    match kind {
        SpanKind::Server => Kind::Server,
        SpanKind::Client => Kind::Client,
        SpanKind::Producer => Kind::Producer,
        SpanKind::Consumer => Kind::Consumer,
        SpanKind::Internal | SpanKind::Unspecified => Kind::Internal,
    }
}

/// What a request or an event is counted as.
fn route(kind: Kind, name: &str, word: &impl Fn(&str) -> Option<String>) -> Option<String> {
    match kind {
        Kind::Server => match (word("http.request.method"), word("http.route")) {
            (Some(method), Some(route)) => Some(cut(format!("{method} {route}"), NAME_BYTES_MAX)),
            _ => Some(name.to_owned()),
        },
        Kind::Consumer => Some(name.to_owned()),
        _ => None,
    }
}

/// Where a call went, when it went to no engine.
fn peer(kind: Kind, word: &impl Fn(&str) -> Option<String>) -> Option<String> {
    if kind != Kind::Client {
        return None;
    }
    let host = word("server.address")?;
    let address = match word("server.port") {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    Some(cut(address, SERVICE_BYTES_MAX))
}

/// The engine, the stream or the unknown program at the other end.
fn other_end(kind: Kind, word: &impl Fn(&str) -> Option<String>) -> Option<OtherEnd> {
    let end = |kind, system: &str, place: String, way| {
        let name = if place.is_empty() {
            system.to_owned()
        } else {
            format!("{place} ({system})")
        };
        OtherEnd {
            kind,
            id: cut(format!("{system}:{place}"), NAME_BYTES_MAX),
            name: cut(name, NAME_BYTES_MAX),
            way,
        }
    };
    let place = |name: &str| word(name).unwrap_or_default();
    if let Some(system) = word("messaging.system") {
        let way = match kind {
            Kind::Producer | Kind::Client => Way::To,
            Kind::Consumer => Way::From,
            Kind::Server | Kind::Internal => return None,
        };
        return Some(end(
            NodeKind::Queue,
            &system,
            place("messaging.destination.name"),
            way,
        ));
    }
    if kind != Kind::Client {
        return None;
    }
    if let Some(system) = word("db.system.name").or_else(|| word("db.system")) {
        return Some(end(NodeKind::Engine, &system, place("db.namespace"), Way::To));
    }
    let address = peer(kind, word)?;
    Some(OtherEnd {
        kind: NodeKind::Peer,
        id: crate::map::peer_id(&address),
        name: address,
        way: Way::To,
    })
}

/// What the span says about its failure: its status, or the exception it recorded, or the kind of error.
fn error(span: &Span, failed: bool, word: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let said = span
        .status
        .as_ref()
        .map(|status| status.message.as_str())
        .unwrap_or_default();
    if failed && !said.is_empty() {
        return Some(cut(said.to_owned(), VALUE_BYTES_MAX));
    }
    let exception = span
        .events
        .iter()
        .flat_map(|event| &event.attributes)
        .find(|pair| pair.key == "exception.message")
        .map(|pair| text(pair.value.as_ref(), VALUE_BYTES_MAX));
    exception.or_else(|| word("error.type"))
}

fn attributes(pairs: Vec<KeyValue>) -> Vec<(String, String)> {
    let kept = pairs.into_iter().take(ATTRIBUTES_MAX);
    kept.map(|pair| {
        (
            cut(pair.key, NAME_BYTES_MAX),
            text(pair.value.as_ref(), VALUE_BYTES_MAX),
        )
    })
    .collect()
}

fn links(links: &[opentelemetry_proto::tonic::trace::v1::span::Link]) -> Vec<(u128, u64)> {
    let sound = links.iter().filter_map(|link| {
        let trace = id(&link.trace_id).map(u128::from_be_bytes)?;
        let span = id(&link.span_id).map(u64::from_be_bytes)?;
        (trace != 0 && span != 0).then_some((trace, span))
    });
    sound.take(LINKS_MAX).collect()
}

/// A value as people read it. What is nested is shown as far as it fits, and no further than it is deep.
fn text(value: Option<&AnyValue>, bytes_max: usize) -> String {
    let mut shown = String::new();
    write_value(&mut shown, value, bytes_max, 0);
    cut(shown, bytes_max)
}

/// Deeper than anybody nests on purpose.
const DEPTH_MAX: usize = 4;

fn write_value(shown: &mut String, value: Option<&AnyValue>, bytes_max: usize, depth: usize) {
    // Checked as it grows: a list of a million values is cut at the first that does not fit.
    if shown.len() > bytes_max {
        return;
    }
    match value.and_then(|value| value.value.as_ref()) {
        None => {}
        Some(Value::StringValue(text)) => {
            let end = text.floor_char_boundary(bytes_max + 1);
            shown.push_str(&text[..end]);
        }
        Some(Value::BoolValue(value)) => shown.push_str(&value.to_string()),
        Some(Value::IntValue(value)) => shown.push_str(&value.to_string()),
        Some(Value::DoubleValue(value)) => shown.push_str(&value.to_string()),
        Some(Value::BytesValue(bytes)) => {
            shown.push_str(&bytes.len().to_string());
            shown.push_str(" bytes");
        }
        Some(Value::ArrayValue(_) | Value::KvlistValue(_)) if depth >= DEPTH_MAX => shown.push('…'),
        Some(Value::ArrayValue(list)) => {
            let mut separator = "[";
            for value in &list.values {
                if shown.len() > bytes_max {
                    return;
                }
                shown.push_str(separator);
                separator = ", ";
                write_value(shown, Some(value), bytes_max, depth + 1);
            }
            shown.push(']');
        }
        Some(Value::KvlistValue(list)) => {
            let mut separator = "{";
            for pair in &list.values {
                if shown.len() > bytes_max {
                    return;
                }
                shown.push_str(separator);
                separator = ", ";
                shown.push_str(&pair.key[..pair.key.floor_char_boundary(NAME_BYTES_MAX)]);
                shown.push_str(": ");
                write_value(shown, pair.value.as_ref(), bytes_max, depth + 1);
            }
            shown.push('}');
        }
        // A value of a kind that came after this was written.
        Some(_) => shown.push('?'),
    }
}

/// No longer than so many bytes, and told where something is missing.
fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8()));
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
