//! How many distinct items: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog", 2007.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::{Reader, from_text, to_text, write_number};
use crate::estimate::{Histogram, estimate};
use crate::{SketchError, mix64};

/// Bits of an item's hash that choose its register.
pub const PRECISION: u32 = 14;
/// How many registers there are.
pub const REGISTERS: u32 = 1 << PRECISION;
/// The largest value of a register: one more than the bits that are left can have leading zeros.
pub(crate) const RANK_MAX: u8 = 51;
const _: () = assert!(RANK_MAX as u32 == 64 - PRECISION + 1);

/// With more registers in use than this, all of them are held: the list would cost more to keep in order than it saves.
const LISTED_MAX: usize = 1_024;
/// With more registers in use than this, all of them are written, six bits each: that is shorter from about here on.
const LISTED_WRITTEN_MAX: usize = 4_096;

const LISTED: u8 = 1;
const PACKED: u8 = 2;

/// How many distinct items were inserted, with a standard error of 1.04 / √16,384 = 0.8 %, whatever their number.
///
/// Inserting an item again changes nothing, and neither order nor grouping matter: merging the sketches of two streams gives the sketch
/// of both. Two bytes a distinct item as long as there are few, then 12 kB (16 kB in memory and as text).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperLogLog(Registers);

/// Which form it is follows from how many registers are in use, so that equal sketches are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Registers {
    /// Those in use, by number: (number, rank).
    Listed(Vec<(u16, u8)>),
    All(Box<[u8]>),
}

impl Default for HyperLogLog {
    fn default() -> Self {
        Self::new()
    }
}

impl HyperLogLog {
    /// Nothing inserted.
    pub const fn new() -> Self {
        Self(Registers::Listed(Vec::new()))
    }

    /// Whether nothing was inserted.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Registers::Listed(listed) if listed.is_empty())
    }

    /// Inserts an item. It need not be evenly spread: it is mixed here. `true` when the sketch changed.
    pub fn insert(&mut self, item: u64) -> bool {
        let hash = mix64(item);
        let [.., high, low] = (hash >> (64 - PRECISION)).to_be_bytes();
        // A one behind the bits that count stops the zeros at `RANK_MAX`.
        let rest = (hash << PRECISION) | (1 << (PRECISION - 1));
        let [rank, ..] = (rest.leading_zeros() + 1).to_le_bytes();
        self.raise(u16::from_be_bytes([high, low]), rank)
    }

    /// Adds whatever was inserted into `other`.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Registers::Listed(listed) => {
                for &(number, rank) in listed {
                    self.raise(number, rank);
                }
            }
            Registers::All(ranks) => {
                let own = self.all();
                for (own, other) in own.iter_mut().zip(ranks) {
                    *own = (*own).max(*other);
                }
            }
        }
    }

    /// How many distinct items were inserted, about.
    pub fn estimate(&self) -> u64 {
        let mut histogram: Histogram = [0; RANK_MAX as usize + 1];
        match &self.0 {
            Registers::Listed(listed) => {
                for &(_, rank) in listed {
                    histogram[usize::from(rank)] += 1;
                }
                histogram[0] = REGISTERS - histogram.iter().sum::<u32>();
            }
            Registers::All(ranks) => {
                for &rank in ranks {
                    histogram[usize::from(rank)] += 1;
                }
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and a cast saturates"
        )]
        let rounded = estimate(&histogram).round() as u64;
        rounded
    }

    fn raise(&mut self, number: u16, rank: u8) -> bool {
        match &mut self.0 {
            Registers::All(ranks) => {
                let register = &mut ranks[usize::from(number)];
                let raised = rank > *register;
                *register = rank.max(*register);
                raised
            }
            Registers::Listed(listed) => match listed.binary_search_by_key(&number, |(number, _)| *number) {
                Ok(place) if listed[place].1 >= rank => false,
                Ok(place) => {
                    listed[place].1 = rank;
                    true
                }
                Err(_) if listed.len() == LISTED_MAX => {
                    self.all()[usize::from(number)] = rank;
                    true
                }
                Err(place) => {
                    listed.insert(place, (number, rank));
                    true
                }
            },
        }
    }

    /// All registers, from now on held as such.
    fn all(&mut self) -> &mut [u8] {
        if let Registers::Listed(listed) = &self.0 {
            let mut ranks = vec![0; REGISTERS as usize].into_boxed_slice();
            for &(number, rank) in listed {
                ranks[usize::from(number)] = rank;
            }
            self.0 = Registers::All(ranks);
        }
        match &mut self.0 {
            Registers::All(ranks) => ranks,
            Registers::Listed(_) => unreachable!("they were just unfolded"),
        }
    }

    fn in_use(&self) -> Vec<(u16, u8)> {
        match &self.0 {
            Registers::Listed(listed) => listed.clone(),
            Registers::All(ranks) => (0..)
                .zip(ranks.iter().copied())
                .filter(|(_, rank)| *rank > 0)
                .collect(),
        }
    }

    /// Bytes that only depend on what was inserted.
    fn to_bytes(&self) -> Vec<u8> {
        let in_use = self.in_use();
        if in_use.len() > LISTED_WRITTEN_MAX
            && let Registers::All(ranks) = &self.0
        {
            let mut bytes = vec![PACKED];
            for four in ranks.chunks_exact(4) {
                let [_, packed @ ..] = four
                    .iter()
                    .fold(0_u32, |bits, rank| bits << 6 | u32::from(*rank))
                    .to_be_bytes();
                bytes.extend(packed);
            }
            return bytes;
        }
        let mut bytes = vec![LISTED];
        let mut next = 0;
        for (number, rank) in in_use {
            write_number(&mut bytes, u64::from(number) - next);
            bytes.push(rank);
            next = u64::from(number) + 1;
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, SketchError> {
        let mut reader = Reader::new(bytes);
        let mut sketch = Self::new();
        match reader.byte()? {
            LISTED => {
                let mut next = 0_u64;
                while !reader.is_at_end() {
                    let number = next.saturating_add(reader.number()?);
                    let rank = reader.byte()?;
                    if number >= u64::from(REGISTERS) || !(1..=RANK_MAX).contains(&rank) {
                        return Err(SketchError::Corrupt("there is no such register"));
                    }
                    let [.., high, low] = number.to_be_bytes();
                    sketch.raise(u16::from_be_bytes([high, low]), rank);
                    next = number + 1;
                }
            }
            PACKED => {
                let packed = reader.rest();
                if packed.len() != REGISTERS as usize / 4 * 3 {
                    return Err(SketchError::Corrupt("registers are missing"));
                }
                let unpacked = packed.chunks_exact(3).flat_map(|three| {
                    [
                        three[0] >> 2,
                        (three[0] << 4 | three[1] >> 4) & 63,
                        (three[1] << 2 | three[2] >> 6) & 63,
                        three[2] & 63,
                    ]
                });
                let ranks: Box<[u8]> = unpacked.collect();
                let in_use = ranks.iter().filter(|rank| **rank > 0).count();
                if in_use <= LISTED_WRITTEN_MAX || ranks.iter().any(|rank| *rank > RANK_MAX) {
                    return Err(SketchError::Corrupt("there is no such register"));
                }
                sketch.0 = Registers::All(ranks);
            }
            _ => return Err(SketchError::Corrupt("an unknown form")),
        }
        Ok(sketch)
    }
}

impl Serialize for HyperLogLog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(&self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for HyperLogLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        from_text(&text)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .map_err(D::Error::custom)
    }
}
