//! Settings of the saga.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommitSettings, ProcessorSettings, SettingError};

/// How payments are carried through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SagaSettings {
    /// How long a process has a payment to itself without saying so again, in milliseconds.
    pub lease_ms: u64,
    /// Pause between two looks for payments that nobody carries on, in milliseconds.
    pub poll_interval_ms: u64,
    /// Payments that one process works on at once.
    pub at_once_max: usize,
    /// Pause before a step that failed is tried again, in milliseconds; it doubles with each try.
    pub retry_pause_ms: u64,
    /// The longest such pause, in milliseconds.
    pub retry_pause_ms_max: u64,
    /// How long a payment has to be charged, in milliseconds; what is not charged by then is undone.
    pub deadline_ms: u64,
    /// How long an authorization that was sent and is not found may still be on its way to the processor, in milliseconds.
    pub settle_ms: u64,
    /// How long a payment may hold the payer's money, in seconds; longer than its deadline and what may follow it.
    pub hold_s: u64,
}

/// Beyond the longest call: to write down how it ended, in milliseconds.
const WRITE_MS: u64 = 1_000;

impl SagaSettings {
    /// Each number by itself, and against the calls that a saga makes.
    pub(crate) fn check(
        &self,
        processor: &ProcessorSettings,
        commits: &CommitSettings,
    ) -> Result<(), SettingError> {
        let positive = [
            ("saga.poll_interval_ms", self.poll_interval_ms),
            ("saga.at_once_max", self.at_once_max as u64),
            ("saga.retry_pause_ms", self.retry_pause_ms),
            ("saga.deadline_ms", self.deadline_ms),
            ("processor.timeout_ms", processor.timeout_ms),
        ];
        if let Some((setting, found)) = positive.into_iter().find(|(_, found)| *found == 0) {
            return Err(SettingError::new(setting, "must be at least 1", found));
        }
        if self.retry_pause_ms_max < self.retry_pause_ms {
            return Err(SettingError::new(
                "saga.retry_pause_ms_max",
                "must be at least saga.retry_pause_ms",
                self.retry_pause_ms_max,
            ));
        }
        let call_ms = processor.timeout_ms.max(commits.deadline_ms);
        if self.lease_ms < call_ms.saturating_add(WRITE_MS) {
            return Err(SettingError::new(
                "saga.lease_ms",
                "must be longer by a second than processor.timeout_ms and commits.deadline_ms: a payment is one process's for each call",
                self.lease_ms,
            ));
        }
        if self.settle_ms < processor.timeout_ms {
            return Err(SettingError::new(
                "saga.settle_ms",
                "must be at least processor.timeout_ms: an authorization may be on its way that long",
                self.settle_ms,
            ));
        }
        // What is charged at the deadline is still to be captured out of the hold, after lookups.
        let held_ms = self.hold_s.saturating_mul(1_000);
        let needed_ms = self
            .deadline_ms
            .saturating_add(self.settle_ms)
            .saturating_add(self.retry_pause_ms_max)
            .saturating_add(self.lease_ms);
        if held_ms < needed_ms {
            return Err(SettingError::new(
                "saga.hold_s",
                "must be longer than saga.deadline_ms, settle_ms, retry_pause_ms_max and lease_ms together: money that is charged has to be held still",
                self.hold_s,
            ));
        }
        Ok(())
    }
}

impl Default for SagaSettings {
    fn default() -> Self {
        Self {
            lease_ms: 10_000,
            poll_interval_ms: 500,
            at_once_max: 64,
            retry_pause_ms: 200,
            retry_pause_ms_max: 60_000,
            deadline_ms: 15 * 60 * 1_000,
            settle_ms: 30_000,
            hold_s: 24 * 60 * 60,
        }
    }
}
