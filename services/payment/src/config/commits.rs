//! Settings of group commits.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingError;
use crate::ledger::SHARDS;
use crate::store::ledger::BATCH_MAX;

/// How commands are folded into commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommitSettings {
    /// Commits that a process has in flight at once, 1 to 8; on SQLite, which has one writer, always 1.
    pub lanes: usize,
    /// Commands that wait, counted as in a commit, from which another lane opens: fewer do better in one larger commit than in two.
    pub lane_opens_from: usize,
    /// How long the first of fewer waits for the commits in flight before another lane opens all the same, in milliseconds.
    pub lane_opens_after_ms: u64,
    /// Most commands of one commit, at most 8190; of a larger transaction every two postings count as one.
    pub batch_max: usize,
    /// Most commands that wait for a commit, counted as in a commit; more are answered 503.
    pub queue_max: usize,
    /// How long a command may take, its waiting included, in milliseconds. What is not settled by then is answered 503.
    pub deadline_ms: u64,
    /// Pause before a commit of unknown outcome is asked about again, in milliseconds; it doubles up to a second.
    pub settle_pause_ms: u64,
}

impl Default for CommitSettings {
    fn default() -> Self {
        Self {
            lanes: 2,
            lane_opens_from: 256,
            lane_opens_after_ms: 50,
            batch_max: 2_000,
            queue_max: 65_536,
            deadline_ms: 8_000,
            settle_pause_ms: 20,
        }
    }
}

impl CommitSettings {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.lanes == 0 || self.lanes > usize::from(SHARDS.unsigned_abs()) {
            return Err(SettingError::new(
                "commits.lanes",
                "must be between 1 and 8",
                self.lanes,
            ));
        }
        if self.batch_max == 0 || self.batch_max > BATCH_MAX {
            return Err(SettingError::new(
                "commits.batch_max",
                "must be between 1 and 8190",
                self.batch_max,
            ));
        }
        if self.queue_max < BATCH_MAX {
            return Err(SettingError::new(
                "commits.queue_max",
                "must be at least 8190: one batch has to fit",
                self.queue_max,
            ));
        }
        if self.lane_opens_after_ms >= self.deadline_ms {
            return Err(SettingError::new(
                "commits.lane_opens_after_ms",
                "must be less than commits.deadline_ms",
                self.lane_opens_after_ms,
            ));
        }
        Ok(())
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.max(1))
    }

    pub(crate) fn lane_opens_after(&self) -> Duration {
        Duration::from_millis(self.lane_opens_after_ms)
    }

    pub(crate) fn settle_pause(&self) -> Duration {
        Duration::from_millis(self.settle_pause_ms.max(1))
    }
}
