//! Which items most: a count-min sketch, and a bounded queue of those with the highest estimates.

use serde::{Deserialize, Serialize};

use crate::{CountMin, SketchError};

/// The items that were added most often, at most `most` of them.
///
/// **Bound.** Every item that was added more often than [`floor`](Self::floor) is among them. The estimates are those of the sketch: never too
/// low, and too high by more than ε of all that was added with a probability of at most δ each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    sketch: CountMin,
    most: u16,
    /// What an item may have been added without being ranked, in sketches that were merged into this one.
    #[serde(default)]
    merged_floor: u64,
    /// Highest estimate first, then lowest item. A queue this short is kept in order by moving: one form for one content.
    ranked: Vec<Ranked>,
}

/// One of the most frequent items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// The item.
    pub item: u64,
    /// What it is called.
    pub label: String,
    /// How often it was added, or more.
    pub estimate: u64,
}

impl Top {
    /// Nothing added. The sketch has this width and depth.
    pub fn new(most: u16, width: u32, depth: u8) -> Self {
        Self {
            sketch: CountMin::new(width, depth),
            most,
            merged_floor: 0,
            ranked: Vec::new(),
        }
    }

    /// Adds an item `count` times. `label` is kept while it is ranked.
    pub fn add(&mut self, item: u64, label: &str, count: u64) {
        let estimate = self.sketch.add(item, count);
        let before = self.ranked.iter().position(|ranked| ranked.item == item);
        if let Some(place) = before {
            self.ranked[place].estimate = estimate;
            let ahead = &self.ranked[..place];
            let new = ahead.partition_point(|other| (other.estimate, item) > (estimate, other.item));
            self.ranked[new..=place].rotate_right(1);
            return;
        }
        let new = self
            .ranked
            .partition_point(|other| (other.estimate, item) > (estimate, other.item));
        if new < usize::from(self.most) {
            self.ranked.truncate(usize::from(self.most) - 1);
            let label = label.to_owned();
            self.ranked.insert(
                new,
                Ranked {
                    item,
                    label,
                    estimate,
                },
            );
        }
    }

    /// The most frequent items, highest estimate first.
    pub fn ranked(&self) -> &[Ranked] {
        &self.ranked
    }

    /// The sketch behind it.
    pub fn sketch(&self) -> &CountMin {
        &self.sketch
    }

    /// How often an item that is not among them was added at most.
    pub fn floor(&self) -> u64 {
        let full = self.ranked.len() >= usize::from(self.most);
        let last = self.ranked.last().filter(|_| full);
        last.map_or(0, |last| last.estimate).max(self.merged_floor)
    }

    /// Adds whatever was added to `other`, whose sketch must have the same shape.
    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        let floor = self.floor().saturating_add(other.floor());
        self.sketch.merge(&other.sketch)?;
        self.merged_floor = floor;
        for theirs in &other.ranked {
            if !self.ranked.iter().any(|own| own.item == theirs.item) {
                self.ranked.push(theirs.clone());
            }
        }
        for ranked in &mut self.ranked {
            ranked.estimate = self.sketch.estimate(ranked.item);
        }
        self.ranked
            .sort_by_key(|ranked| (std::cmp::Reverse(ranked.estimate), ranked.item));
        self.ranked.truncate(usize::from(self.most));
        Ok(())
    }
}
