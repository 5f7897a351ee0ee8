//! Where an event stands: its partition, by key, and its position there.

use std::fmt;

/// How many partitions every stream has. A constant, not a setting: changing it would move keys and break their order.
pub const PARTITIONS: u8 = 16;

/// One of the [`PARTITIONS`] parts of a stream. Events of one key are always in the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u8);

impl Partition {
    /// `None` from [`PARTITIONS`] on.
    pub fn new(number: u8) -> Option<Self> {
        (number < PARTITIONS).then_some(Self(number))
    }

    /// The partition of a key: FNV-1a with a final mix, so that keys which differ in the last byte only spread too. The
    /// function is part of the data format.
    pub fn of(key: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in key.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        let [.., low] = (hash % u64::from(PARTITIONS)).to_be_bytes();
        Self(low)
    }

    /// All of them, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// Its number, from 0.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an event in its partition: 1, 2, 3 … in the order of publishing, never reused. 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The next place.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_key_never_changes() {
        let known = ["", "a", "b", "tenant-1", "0aB3xYz", "0aB3xY0"].map(|key| Partition::of(key).number());
        assert_eq!(known, [2, 13, 12, 1, 6, 1]);
    }

    #[test]
    fn keys_spread_evenly() {
        let mut counts = [0_u32; PARTITIONS as usize];
        for key in 0..16_000 {
            counts[usize::from(Partition::of(&format!("link-{key}")).number())] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn there_is_no_seventeenth_partition() {
        assert!(Partition::new(15).is_some());
        assert!(Partition::new(16).is_none());
        assert_eq!(Partition::all().len(), 16);
    }
}
