//! What a request would take once decoded. Two bytes are enough for a span without content, which is three hundred bytes in
//! memory: so it is weighed before, by walking the encoding, and what is too heavy is not decoded at all.

use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

/// A message of the request, as far as it can hold others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Request,
    ResourceSpans,
    Resource,
    EntityRef,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    KeyValue,
    AnyValue,
    Array,
    KeyValueList,
}

impl Message {
    /// What stands in a field, where that is a message.
    fn below(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Request, 1) => Self::ResourceSpans,
            (Self::ResourceSpans, 1) => Self::Resource,
            (Self::Resource, 3) => Self::EntityRef,
            (Self::ResourceSpans, 2) => Self::ScopeSpans,
            (Self::ScopeSpans, 1) => Self::Scope,
            (Self::ScopeSpans, 2) => Self::Span,
            (Self::Span, 11) => Self::Event,
            (Self::Span, 13) => Self::Link,
            (Self::Span, 9)
            | (Self::Resource | Self::KeyValueList, 1)
            | (Self::Scope | Self::Event, 3)
            | (Self::Link, 4) => Self::KeyValue,
            (Self::KeyValue, 2) | (Self::Array, 1) => Self::AnyValue,
            (Self::AnyValue, 5) => Self::Array,
            (Self::AnyValue, 6) => Self::KeyValueList,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::ResourceSpans => size_of::<ResourceSpans>(),
            Self::EntityRef => size_of::<EntityRef>(),
            Self::ScopeSpans => size_of::<ScopeSpans>(),
            Self::Span => size_of::<Span>(),
            Self::Event => size_of::<Event>(),
            Self::Link => size_of::<Link>(),
            Self::KeyValue => size_of::<KeyValue>(),
            Self::AnyValue => size_of::<AnyValue>(),
            // Parts of their parents.
            Self::Request | Self::Resource | Self::Scope | Self::Array | Self::KeyValueList => 0,
        }
    }
}

/// Bytes that the decoded request takes, about; `None` for what is no such message or nests deeper than it is decoded.
pub(crate) fn of_protobuf(request: &[u8]) -> Option<usize> {
    weight(request, Message::Request, 0).map(|fixed| fixed + request.len())
}

/// As deep as prost decodes.
const DEPTH_MAX: usize = 100;

fn weight(mut bytes: &[u8], message: Message, depth: usize) -> Option<usize> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut sum = message.bytes();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => _ = varint(&mut bytes)?,
            1 => bytes = bytes.get(8..)?,
            5 => bytes = bytes.get(4..)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (field, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                match message.below(key >> 3) {
                    Some(below) => sum += weight(field, below, depth + 1)?,
                    // A list of texts: an empty one is two bytes here, and more in memory.
                    None if message == Message::EntityRef => sum += size_of::<String>(),
                    None => {}
                }
            }
            _ => return None,
        }
    }
    Some(sum)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The same for JSON, where each message has its brace and each text of a list its comma; those inside texts are counted too.
pub(crate) fn of_json(request: &[u8]) -> usize {
    let (mut braces, mut commas) = (0, 0);
    for byte in request {
        braces += usize::from(*byte == b'{');
        commas += usize::from(*byte == b',');
    }
    braces * size_of::<Span>() + commas * size_of::<String>() + request.len()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message as _;

    use super::*;

    fn request(spans: usize) -> Vec<u8> {
        let scope = ScopeSpans {
            spans: vec![Span::default(); spans],
            ..ScopeSpans::default()
        };
        let group = ResourceSpans {
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![group],
        }
        .encode_to_vec()
    }

    #[test]
    fn a_span_without_content_weighs_what_it_takes_and_not_what_it_was_sent_in() {
        let sent = request(10_000);
        assert!(sent.len() < 21_000, "{}", sent.len());
        let weight = of_protobuf(&sent).unwrap();
        assert!(weight > 10_000 * size_of::<Span>());
        assert!(of_json(b"[{},{}]") >= 2 * size_of::<Span>());
    }

    #[test]
    fn what_a_resource_refers_to_weighs_what_it_takes_too() {
        let group = |reference: EntityRef| ResourceSpans {
            resource: Some(Resource {
                entity_refs: vec![reference; 10_000],
                ..Resource::default()
            }),
            ..ResourceSpans::default()
        };
        let weight = |reference| {
            let request = ExportTraceServiceRequest {
                resource_spans: vec![group(reference)],
            };
            of_protobuf(&request.encode_to_vec()).unwrap()
        };
        let empty = weight(EntityRef::default());
        assert!(empty > 10_000 * size_of::<EntityRef>());
        let keys = weight(EntityRef {
            id_keys: vec![String::new(); 8],
            ..EntityRef::default()
        });
        assert!(keys > empty + 80_000 * size_of::<String>());
        assert!(of_json(b"[\"\",\"\",\"\"]") > 2 * size_of::<String>());
    }

    #[test]
    fn what_is_no_protobuf_has_no_weight() {
        assert_eq!(of_protobuf(b"\xff\xff\xff"), None);
        assert_eq!(of_protobuf(b"\x0a\x7f"), None, "longer than it is");
        assert_eq!(of_protobuf(b""), Some(0));
        // Lists in lists: an AnyValue's field 5 is an array, an array's field 1 an AnyValue.
        let deep = (0..5_000).fold(Vec::new(), |inner: Vec<u8>, level| {
            let mut outer = vec![if level % 2 == 0 { 0x0a } else { 0x2a }];
            prost::encoding::encode_varint(inner.len() as u64, &mut outer);
            outer.extend(inner);
            outer
        });
        assert_eq!(weight(&deep, Message::AnyValue, 0), None);
    }
}
