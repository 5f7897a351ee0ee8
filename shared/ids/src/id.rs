use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// 2026-01-01T00:00:00Z, the millisecond that an id's time counts from.
pub const EPOCH_MS: u64 = 1_767_225_600_000;
/// The largest worker: 10 bits.
pub const WORKER_MAX: u16 = (1 << WORKER_BITS) - 1;
/// The largest sequence within a millisecond: 12 bits.
pub const SEQUENCE_MAX: u16 = (1 << SEQUENCE_BITS) - 1;

pub(crate) const SEQUENCE_BITS: u32 = 12;
pub(crate) const WORKER_BITS: u32 = 10;
pub(crate) const TIME_SHIFT: u32 = SEQUENCE_BITS + WORKER_BITS;
/// 41 bits of milliseconds since `EPOCH_MS`.
pub(crate) const TIME_MAX: u64 = (1 << 41) - 1;

/// A Snowflake id, below 2^63. As text and in JSON it is a decimal string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u64);

impl Id {
    /// The id made of these parts, or `None` where one does not fit its bits.
    pub const fn from_parts(timestamp_ms: u64, worker: u16, sequence: u16) -> Option<Self> {
        if timestamp_ms < EPOCH_MS
            || timestamp_ms - EPOCH_MS > TIME_MAX
            || worker > WORKER_MAX
            || sequence > SEQUENCE_MAX
        {
            return None;
        }
        let time = (timestamp_ms - EPOCH_MS) << TIME_SHIFT;
        Some(Self(time | (worker as u64) << SEQUENCE_BITS | sequence as u64))
    }

    /// An id read back from where `as_u64` was stored, or `None` for 2^63 and above.
    pub const fn from_u64(raw: u64) -> Option<Self> {
        if raw >> 63 == 0 { Some(Self(raw)) } else { None }
    }

    /// The id as a number below 2^63; a signed 64-bit column holds it and keeps its order.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// When the id was made, in Unix milliseconds.
    pub const fn timestamp_ms(self) -> u64 {
        (self.0 >> TIME_SHIFT) + EPOCH_MS
    }

    /// The worker that made the id.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mask keeps only bits that fit"
    )]
    pub const fn worker(self) -> u16 {
        (self.0 >> SEQUENCE_BITS) as u16 & WORKER_MAX
    }

    /// The place of the id within its millisecond.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mask keeps only bits that fit"
    )]
    pub const fn sequence(self) -> u16 {
        self.0 as u16 & SEQUENCE_MAX
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a decimal number below 2^63, without a sign or leading zeros")]
pub struct ParseIdError;

/// Only what `Display` writes is read: an id that could be spelt in two ways would be two keys in a cache.
impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !canonical {
            return Err(ParseIdError);
        }
        text.parse().ok().and_then(Self::from_u64).ok_or(ParseIdError)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id as a string of decimal digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
