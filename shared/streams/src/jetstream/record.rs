//! Events and dead letters as messages: a line of JSON, then the data as it was published, byte for byte.

use bytes::Bytes;
use nats::{NatsError, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Event, Position, Stored};

#[derive(Serialize, Deserialize)]
struct Envelope<'e> {
    /// When it was stored, by the publisher's clock.
    published_ms: u64,
    id: std::borrow::Cow<'e, str>,
    source: std::borrow::Cow<'e, str>,
    #[serde(rename = "type")]
    kind: std::borrow::Cow<'e, str>,
    key: std::borrow::Cow<'e, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<std::borrow::Cow<'e, str>>,
    time_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<std::borrow::Cow<'e, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<std::borrow::Cow<'e, str>>,
}

pub(super) fn encoded(event: &Event, published_ms: u64) -> Result<Bytes, NatsError> {
    let envelope = Envelope {
        published_ms,
        id: event.id.as_str().into(),
        source: event.source.as_str().into(),
        kind: event.kind.as_str().into(),
        key: event.key.as_str().into(),
        subject: event.subject.as_deref().map(Into::into),
        time_ms: event.time_ms,
        traceparent: event.traceparent.as_deref().map(Into::into),
        tenant: event.tenant.as_deref().map(Into::into),
    };
    lined(&envelope, event.data.as_bytes())
}

pub(super) fn stored(record: &Record) -> Result<Stored, NatsError> {
    let (published_ms, event) = decoded(&record.payload)?;
    Ok(Stored {
        position: Position(record.sequence),
        published_ms,
        event,
    })
}

pub(super) fn decoded(payload: &[u8]) -> Result<(u64, Event), NatsError> {
    let (envelope, data) = split::<Envelope<'static>>(payload)?;
    let event = Event {
        id: envelope.id.into_owned(),
        source: envelope.source.into_owned(),
        kind: envelope.kind.into_owned(),
        key: envelope.key.into_owned(),
        subject: envelope.subject.map(std::borrow::Cow::into_owned),
        time_ms: envelope.time_ms,
        traceparent: envelope.traceparent.map(std::borrow::Cow::into_owned),
        tenant: envelope.tenant.map(std::borrow::Cow::into_owned),
        data: String::from_utf8(data.to_vec()).map_err(|_| malformed("data that is no text"))?,
    };
    Ok((envelope.published_ms, event))
}

/// `head` as a line, then `rest`.
pub(super) fn lined(head: &impl Serialize, rest: &[u8]) -> Result<Bytes, NatsError> {
    let mut bytes = serde_json::to_vec(head).map_err(|error| malformed(&error.to_string()))?;
    bytes.reserve_exact(rest.len() + 1);
    bytes.push(b'\n');
    bytes.extend_from_slice(rest);
    Ok(bytes.into())
}

pub(super) fn split<H: DeserializeOwned>(payload: &[u8]) -> Result<(H, &[u8]), NatsError> {
    let end = payload
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(|| malformed("no line"))?;
    let head = serde_json::from_slice(&payload[..end]).map_err(|error| malformed(&error.to_string()))?;
    Ok((head, &payload[end + 1..]))
}

fn malformed(what: &str) -> NatsError {
    NatsError::Unexpected(format!("a message that we did not write: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_byte_for_byte_whatever_its_data_is() {
        for data in ["", "{half", "{\"a\":\n1 }\n", "größer\u{0}"] {
            let event = Event {
                subject: Some(" s ".to_owned()),
                tenant: Some("acme".to_owned()),
                data: data.to_owned(),
                ..Event::new("1", "/test", "test.happened", "k", 7, &0).unwrap()
            };
            assert_eq!(decoded(&encoded(&event, 42).unwrap()).unwrap(), (42, event));
        }
        assert!(decoded(b"{}").is_err());
        assert!(decoded(b"{}\n").is_err());
    }
}
