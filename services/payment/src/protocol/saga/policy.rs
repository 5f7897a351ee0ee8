//! The core's one step, and how patient it is.

use super::turn::Turn;
use super::{Input, Output, Saga};

/// How patient a saga is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The pause before the second try of a step; it doubles with each.
    pub backoff_ms: u64,
    /// The longest pause.
    pub backoff_ms_max: u64,
    /// For so long after it was sent an authorization that is not found may still arrive at the processor.
    pub settle_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff_ms: 200,
            backoff_ms_max: 30_000,
            settle_ms: 30_000,
        }
    }
}

impl Policy {
    /// The pause after so many tries.
    pub fn pause_ms(&self, tries: u32) -> u64 {
        let doubled = self
            .backoff_ms
            .saturating_mul(1_u64 << tries.saturating_sub(1).min(32));
        doubled.min(self.backoff_ms_max)
    }

    /// What comes of `input`. An answer to a call that is not the last one begun changes nothing and asks for nothing.
    pub fn step(&self, saga: &Saga, input: &Input) -> (Saga, Vec<Output>) {
        let now_ms = match input {
            Input::Resume { now_ms, .. } | Input::Answered { now_ms, .. } => *now_ms,
        };
        let mut turn = Turn::new(self, saga, now_ms);
        match input {
            Input::Resume { refund, .. } => turn.resume(*refund),
            Input::Answered { ticket, answer, .. } => turn.answered(*ticket, answer),
        }
        turn.end()
    }
}
