//! How often each item: Cormode, Muthukrishnan, "An improved data stream summary: the count-min sketch", 2005.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::{Reader, from_text, to_text, write_number};
use crate::{SketchError, mix64};

/// The most counters of one sketch (8 MB).
const COUNTERS_MAX: usize = 1 << 20;

/// How often each item was added, never too low: of `n` in all, an estimate is too high by more than ε·n, ε = e / width, with a probability of at
/// most δ = e^-depth.
///
/// It is linear: neither order nor grouping matter, and merging the sketches of two streams gives the sketch of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountMin {
    width: u32,
    depth: u8,
    total: u64,
    /// Row after row.
    counters: Vec<u64>,
}

impl CountMin {
    /// Nothing added. Width and depth are at least 1 and cut to a million counters in all.
    pub fn new(width: u32, depth: u8) -> Self {
        let depth = depth.max(1);
        let most = u32::try_from(COUNTERS_MAX / usize::from(depth)).unwrap_or(u32::MAX);
        let width = width.clamp(1, most);
        Self {
            width,
            depth,
            total: 0,
            counters: vec![0; width as usize * usize::from(depth)],
        }
    }

    /// Adds an item `count` times and answers its new estimate.
    pub fn add(&mut self, item: u64, count: u64) -> u64 {
        self.total = self.total.saturating_add(count);
        let mut estimate = u64::MAX;
        for row in 0..self.depth {
            let place = self.place(row, item);
            let counter = &mut self.counters[place];
            *counter = counter.saturating_add(count);
            estimate = estimate.min(*counter);
        }
        estimate
    }

    /// How often an item was added, or more.
    pub fn estimate(&self, item: u64) -> u64 {
        let rows = (0..self.depth).map(|row| self.counters[self.place(row, item)]);
        rows.min().unwrap_or(0)
    }

    /// How much was added in all, exactly.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// By how much of the total an estimate is too high at most.
    pub fn epsilon(&self) -> f64 {
        std::f64::consts::E / f64::from(self.width)
    }

    /// The probability that an estimate is even higher.
    pub fn delta(&self) -> f64 {
        (-f64::from(self.depth)).exp()
    }

    /// Adds whatever was added to `other`, which must have the same width and depth.
    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        if (self.width, self.depth) != (other.width, other.depth) {
            return Err(SketchError::Shapes);
        }
        self.total = self.total.saturating_add(other.total);
        for (own, other) in self.counters.iter_mut().zip(&other.counters) {
            *own = own.saturating_add(*other);
        }
        Ok(())
    }

    /// Each row has a function of its own. Multiplying instead of dividing maps a hash evenly on the width.
    fn place(&self, row: u8, item: u64) -> usize {
        let hash = mix64(item ^ mix64(u64::from(row) + 1));
        let within = (u128::from(hash) * u128::from(self.width)) >> 64;
        usize::from(row) * self.width as usize + usize::try_from(within).unwrap_or(0)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [u64::from(self.width), u64::from(self.depth), self.total] {
            write_number(&mut bytes, number);
        }
        let mut zeros = 0;
        for &counter in &self.counters {
            if counter == 0 {
                zeros += 1;
            } else {
                write_number(&mut bytes, zeros);
                write_number(&mut bytes, counter);
                zeros = 0;
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, SketchError> {
        const SHAPE: SketchError = SketchError::Corrupt("no such shape");
        let mut reader = Reader::new(bytes);
        let width = u32::try_from(reader.number()?).map_err(|_| SHAPE)?;
        let depth = u8::try_from(reader.number()?).map_err(|_| SHAPE)?;
        let total = reader.number()?;
        // Judged before the room for it is taken.
        if width == 0 || depth == 0 || u64::from(width) * u64::from(depth) > COUNTERS_MAX as u64 {
            return Err(SHAPE);
        }
        let mut sketch = Self {
            total,
            ..Self::new(width, depth)
        };
        let mut place = 0_usize;
        while !reader.is_at_end() {
            let zeros = usize::try_from(reader.number()?).map_err(|_| SHAPE)?;
            place = place.saturating_add(zeros);
            *sketch.counters.get_mut(place).ok_or(SHAPE)? = reader.number()?;
            place += 1;
        }
        Ok(sketch)
    }
}

impl Serialize for CountMin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(&self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for CountMin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        from_text(&text)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .map_err(D::Error::custom)
    }
}
