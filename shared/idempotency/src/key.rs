use crate::IdempotencyError;
use http::HeaderMap;
use std::fmt;
use std::sync::Arc;

/// The request header that carries the key (draft-ietf-httpapi-idempotency-key-header).
const HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// A client's name for one request that it may have to repeat: 1 to 255 visible ASCII characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Takes the text as it stands; nothing is trimmed or unquoted, for two spellings would be two keys.
    pub fn parse(text: &str) -> Result<Self, IdempotencyError> {
        let fits = (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(IdempotencyError::MalformedKey)
        }
    }

    /// The key of a request, `None` when it has none. Two such headers are refused: which one counts?
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, IdempotencyError> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(IdempotencyError::MalformedKey);
        }
        value
            .to_str()
            .map_err(|_| IdempotencyError::MalformedKey)
            .and_then(Self::parse)
            .map(Some)
    }

    /// The text, as the store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({})", self.0)
    }
}
