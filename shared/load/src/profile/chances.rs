//! What an arrival does, decided by the seed and its number alone.

use super::Profile;
use super::captured::Asker;
use crate::keys::{Zipf, draw};

/// What each chance of an arrival is drawn from beside the seed, so that they do not hang together.
const OPERATIONS: u64 = 0x6f70;
const KEYS: u64 = 0x6b65;
const SESSIONS: u64 = 0x7365;

/// What decides which arrival does what.
pub(super) struct Chances {
    seed: u64,
    zipf: Zipf,
    sessions: u32,
    weights: Vec<u32>,
    weight_sum: f64,
}

impl Chances {
    pub(super) fn of(profile: &Profile) -> Self {
        let weights: Vec<u32> = profile
            .operations
            .iter()
            .map(|step| step.weight.unwrap_or(0))
            .collect();
        Self {
            seed: profile.seed,
            zipf: Zipf::new(profile.keys.count, profile.keys.zipf),
            sessions: profile.sessions,
            weight_sum: weights.iter().map(|weight| f64::from(*weight)).sum(),
            weights,
        }
    }

    /// The place of its operation in the profile.
    pub(super) fn operation(&self, index: u64) -> usize {
        let mut left = draw(self.seed ^ OPERATIONS, index) * self.weight_sum;
        for (number, weight) in self.weights.iter().enumerate() {
            left -= f64::from(*weight);
            if left < 0.0 {
                return number;
            }
        }
        self.weights.len() - 1
    }

    /// Who asks, and for what.
    pub(super) fn asker(&self, index: u64) -> Asker {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the number of sessions"
        )]
        let session = (draw(self.seed ^ SESSIONS, index) * f64::from(self.sessions)) as u32;
        Asker {
            session: session.min(self.sessions - 1),
            key: self.zipf.at(self.seed ^ KEYS, index),
            index,
        }
    }
}
