//! What an idempotency record remembers of an outcome: what cannot be read from rows that never change.

use ids::Id;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::ledger::{Account, Hold, HoldState, Journal, Refusal, Settled};

/// As JSON in `claim.outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedOutcome {
    /// It made this row of the journal, and left the hold like this.
    Settled {
        journal_id: Id,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<HoldThen>,
    },
    /// It made this account; what may change of it since is kept as it was.
    Account {
        account_id: Id,
        name: Option<String>,
        metadata: String,
    },
    /// The ledger's rules said no.
    Refused(Refusal),
}

/// What changes of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HoldThen {
    captured: i64,
    released: i64,
    state: HoldState,
}

impl RecordedOutcome {
    pub(super) fn of(outcome: &Result<Settled, Refusal>) -> Self {
        match outcome {
            Ok(settled) => Self::Settled {
                journal_id: settled.journal.id,
                hold: settled.hold.as_ref().map(|hold| HoldThen {
                    captured: hold.captured,
                    released: hold.released,
                    state: hold.state,
                }),
            },
            Err(refusal) => Self::Refused(refusal.clone()),
        }
    }

    pub(super) fn of_account(outcome: &Result<Account, Refusal>) -> Self {
        match outcome {
            Ok(account) => Self::Account {
                account_id: account.id,
                name: account.name.clone(),
                metadata: account.metadata.clone(),
            },
            Err(refusal) => Self::Refused(refusal.clone()),
        }
    }

    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|_| StoreError::Damaged("an outcome that is no JSON"))
    }

    pub(super) fn from_json(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text)
            .map_err(|_| StoreError::Damaged("an idempotency record that this program cannot read"))
    }
}

impl HoldThen {
    /// The hold as it stood when the recorded command was answered.
    pub(super) fn over(self, now: &Hold) -> Hold {
        Hold {
            captured: self.captured,
            released: self.released,
            state: self.state,
            ..now.clone()
        }
    }
}

/// A row as it was made: what was reversed of it since is not part of the answer.
pub(super) fn as_made(journal: &Journal) -> Journal {
    Journal {
        reversed: 0,
        ..journal.clone()
    }
}
