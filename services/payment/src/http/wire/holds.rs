//! Holds, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TransferBody;
use crate::http::{cursor, show_moment};
use crate::ledger::{Hold, HoldState, Settled};
use crate::operations::{CaptureHold, Details, Metadata, PlaceHold};

/// A hold to be placed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewHold, example = json!({"debit_account_id": "1001", "credit_account_id": "1002", "amount": "700", "currency": "EUR", "expires_in_s": 3600}))]
pub(in crate::http) struct NewHoldBody {
    /// The client's own id; without one it is given one.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    id: Option<String>,
    /// Which account will be debited.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    debit_account_id: String,
    /// Which account will be credited.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    credit_account_id: String,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// That of both accounts.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// How long it lasts, in seconds; a week unless said.
    #[schema(minimum = 1, maximum = 2_678_400, nullable = false)]
    expires_in_s: Option<u64>,
    /// For people.
    #[schema(max_length = 500, nullable = false)]
    description: Option<String>,
    /// Names and values of the client's own.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Metadata,
}

impl NewHoldBody {
    pub(in crate::http) fn into_request(self) -> PlaceHold {
        PlaceHold {
            id: self.id,
            debit_account_id: self.debit_account_id,
            credit_account_id: self.credit_account_id,
            amount: self.amount,
            currency: self.currency,
            expires_in_s: self.expires_in_s,
            details: Details {
                description: self.description,
                metadata: self.metadata,
                exchange: None,
            },
        }
    }
}

/// Nothing: a void lets go of all that is left.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVoid)]
pub(in crate::http) struct VoidBody {}

/// How much of a hold is to move.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCapture, example = json!({"amount": "1"}))]
pub(in crate::http) struct CaptureBody {
    /// How much, in minor units; without it all that is left.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    amount: Option<String>,
    /// Whether the rest is let go.
    #[serde(default)]
    #[schema(default = false)]
    r#final: bool,
}

impl CaptureBody {
    pub(in crate::http) fn into_request(self) -> CaptureHold {
        CaptureHold {
            amount: self.amount,
            last: self.r#final,
        }
    }
}

/// Money set aside.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
pub(in crate::http) struct HoldBody {
    /// Unique in the tenant; the row of the journal that placed it has the same.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    id: String,
    /// Which account will be debited.
    debit_account_id: String,
    /// Which account will be credited.
    credit_account_id: String,
    /// How much was set aside, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// Of what.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'static str,
    /// How much of it moved.
    #[schema(pattern = "^[0-9]+$")]
    captured: String,
    /// How much of it was let go.
    #[schema(pattern = "^[0-9]+$")]
    released: String,
    /// How much can still be captured.
    #[schema(pattern = "^[0-9]+$")]
    remaining: String,
    /// Where it stands.
    state: HoldState,
    /// From then on nothing is captured of it, in UTC.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it was placed, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

impl HoldBody {
    pub(in crate::http) fn of(hold: &Hold) -> Self {
        Self {
            id: hold.id.to_string(),
            debit_account_id: hold.debit_account_id.to_string(),
            credit_account_id: hold.credit_account_id.to_string(),
            amount: hold.amount.to_string(),
            currency: hold.currency.code(),
            captured: hold.captured.to_string(),
            released: hold.released.to_string(),
            remaining: hold.remaining().to_string(),
            state: hold.state,
            expires_at: show_moment(hold.expires_at_ms),
            created_at: show_moment(hold.created_at_ms),
        }
    }
}

/// A page of holds, by id.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HoldList)]
pub(in crate::http) struct HoldListBody {
    /// The holds.
    items: Vec<HoldBody>,
    /// Hand it in as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl HoldListBody {
    pub(in crate::http) fn of(holds: &[Hold], next_after: Option<ids::Id>) -> Self {
        Self {
            items: holds.iter().map(HoldBody::of).collect(),
            next_cursor: next_after.map(cursor::show),
        }
    }
}

/// What became of a hold: the hold as it stood then, and the row that did it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SettledHold)]
pub(in crate::http) struct SettledHoldBody {
    /// The hold, as it stood then.
    #[schema(required)]
    hold: Option<HoldBody>,
    /// The row of the journal.
    transfer: TransferBody,
}

impl SettledHoldBody {
    pub(in crate::http) fn of(settled: &Settled) -> Self {
        Self {
            hold: settled.hold.as_ref().map(HoldBody::of),
            transfer: TransferBody::of(&settled.journal),
        }
    }
}
