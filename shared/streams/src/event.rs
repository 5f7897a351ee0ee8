//! The envelope: CloudEvents 1.0.

use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{Partition, StreamError};

/// One thing that happened. Serializes as a CloudEvents 1.0 envelope in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Tells it from every other event of its source; publishing dedupes by it, and so do consumers. At most 128 bytes.
    pub id: String,
    /// Who says so, as a URI reference: `/shortener`. At most 256 bytes.
    pub source: String,
    /// What happened: `link.clicked`. At most 128 bytes.
    pub kind: String,
    /// What order is kept by (`partitionkey`): events of one key are handled one after another. At most 256 bytes.
    pub key: String,
    /// What it happened to, where that is not the key. At most 256 bytes.
    pub subject: Option<String>,
    /// When, in Unix milliseconds.
    pub time_ms: u64,
    /// The trace it was part of (W3C). At most 64 bytes.
    pub traceparent: Option<String>,
    /// Whose it is. At most 64 bytes.
    pub tenant: Option<String>,
    /// The data: a JSON text.
    pub data: String,
}

impl Event {
    /// An event whose data is `data` as JSON. Subject, trace and tenant are set on the value.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        kind: impl Into<String>,
        key: impl Into<String>,
        time_ms: u64,
        data: &impl Serialize,
    ) -> Result<Self, StreamError> {
        let data = serde_json::to_string(data).map_err(|_| StreamError::Invalid {
            field: "data",
            reason: "it must be serializable as JSON",
        })?;
        Ok(Self {
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            key: key.into(),
            subject: None,
            time_ms,
            traceparent: None,
            tenant: None,
            data,
        })
    }

    /// The data as a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.data)
    }

    /// The partition it belongs to.
    pub fn partition(&self) -> Partition {
        Partition::of(&self.key)
    }

    /// Checks every field as publishing does; whether the data is JSON is believed.
    pub fn check(&self, data_bytes_max: usize) -> Result<(), StreamError> {
        required("id", &self.id, 128)?;
        required("source", &self.source, 256)?;
        required("type", &self.kind, 128)?;
        required("partitionkey", &self.key, 256)?;
        optional("subject", self.subject.as_deref(), 256)?;
        optional("traceparent", self.traceparent.as_deref(), 64)?;
        optional("tenant", self.tenant.as_deref(), 64)?;
        if self.data.len() > data_bytes_max {
            return Err(StreamError::TooLarge {
                bytes: self.data.len(),
                max: data_bytes_max,
            });
        }
        if i64::try_from(self.time_ms).is_err() {
            return Err(StreamError::Invalid {
                field: "time",
                reason: "it is out of range",
            });
        }
        Ok(())
    }
}

pub(crate) fn required(field: &'static str, value: &str, bytes_max: usize) -> Result<(), StreamError> {
    if value.is_empty() {
        return Err(StreamError::Invalid {
            field,
            reason: "it must not be empty",
        });
    }
    optional(field, Some(value), bytes_max)
}

fn optional(field: &'static str, value: Option<&str>, bytes_max: usize) -> Result<(), StreamError> {
    let Some(value) = value else { return Ok(()) };
    if value.len() > bytes_max {
        return Err(StreamError::Invalid {
            field,
            reason: "it is too long",
        });
    }
    if value.chars().any(char::is_control) {
        return Err(StreamError::Invalid {
            field,
            reason: "it must not have control characters",
        });
    }
    Ok(())
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", &self.kind)?;
        if let Some(time) = rfc3339(self.time_ms) {
            map.serialize_entry("time", &time)?;
        }
        map.serialize_entry("partitionkey", &self.key)?;
        for (name, value) in [
            ("subject", &self.subject),
            ("traceparent", &self.traceparent),
            ("tenant", &self.tenant),
        ] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        // Poison may be anything: what is no JSON is shown as a text.
        if let Ok(data) = serde_json::from_str::<&RawValue>(&self.data) {
            map.serialize_entry("datacontenttype", "application/json")?;
            map.serialize_entry("data", data)?;
        } else {
            map.serialize_entry("datacontenttype", "text/plain")?;
            map.serialize_entry("data", &self.data)?;
        }
        map.end()
    }
}

fn rfc3339(unix_ms: u64) -> Option<String> {
    let nanos = i128::from(unix_ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()?
        .format(&Rfc3339)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event::new(
            "7",
            "/shortener",
            "link.clicked",
            "0aB3xYz",
            1_767_225_600_123,
            &[1, 2],
        )
        .unwrap()
    }

    #[test]
    fn it_serializes_as_a_cloud_event() {
        let event = Event {
            tenant: Some("acme".to_owned()),
            ..event()
        };
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            serde_json::json!({
                "specversion": "1.0", "id": "7", "source": "/shortener", "type": "link.clicked",
                "time": "2026-01-01T00:00:00.123Z", "partitionkey": "0aB3xYz", "tenant": "acme",
                "datacontenttype": "application/json", "data": [1, 2],
            })
        );
        assert_eq!(event.decode::<Vec<u8>>().unwrap(), [1, 2]);
    }

    #[test]
    fn data_that_is_no_json_is_still_shown() {
        let event = Event {
            data: "{half".to_owned(),
            ..event()
        };
        assert_eq!(serde_json::to_value(&event).unwrap()["data"], "{half");
    }

    #[test]
    fn fields_that_are_empty_too_long_or_dirty_are_refused_by_name() {
        let refused = |event: Event| match event.check(10) {
            Err(StreamError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused(Event {
                id: String::new(),
                ..event()
            }),
            "id"
        );
        assert_eq!(
            refused(Event {
                key: "k".repeat(257),
                ..event()
            }),
            "partitionkey"
        );
        assert_eq!(
            refused(Event {
                kind: "a\r\nb".to_owned(),
                ..event()
            }),
            "type"
        );
        assert_eq!(
            refused(Event {
                tenant: Some("t".repeat(65)),
                ..event()
            }),
            "tenant"
        );
        assert_eq!(
            refused(Event {
                time_ms: u64::MAX,
                ..event()
            }),
            "time"
        );
        assert!(event().check(5).is_ok());
        assert!(matches!(
            event().check(4),
            Err(StreamError::TooLarge { bytes: 5, max: 4 })
        ));
    }
}
