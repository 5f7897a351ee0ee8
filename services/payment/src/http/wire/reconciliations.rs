//! Reconciliations, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{cursor, show_moment};
use crate::ledger::Currency;
use crate::processor::SettlementKind;
use crate::reconciliation::BreakKind;
use crate::store::reconciliation::{Break, BreakState, Reconciliation};

/// A day whose settlement was held against the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub(in crate::http) struct ReconciliationBody {
    /// The day, UTC.
    id: String,
    /// Lines of the settlement.
    lines: u64,
    /// Those that fit the ledger.
    fits: u64,
    at: String,
}

/// Days, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciliationList)]
pub(in crate::http) struct ReconciliationListBody {
    items: Vec<ReconciliationBody>,
}

/// Money as one side has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciledAmount)]
pub(in crate::http) struct AmountBody {
    /// Minor units.
    amount: String,
    #[schema(value_type = String)]
    currency: Currency,
}

/// Where settlement and ledger differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciliationBreak)]
pub(in crate::http) struct BreakBody {
    #[schema(value_type = String)]
    id: ids::Id,
    /// Of which day.
    reconciliation_id: String,
    kind: BreakKind,
    /// `capture` or `refund`.
    movement: &'static str,
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    payment_id: Option<ids::Id>,
    /// What the ledger moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<AmountBody>,
    /// What the settlement says.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<AmountBody>,
    state: BreakState,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    adjustment_id: Option<ids::Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<String>,
}

/// A page of breaks, by id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconciliationBreakList)]
pub(in crate::http) struct BreakListBody {
    items: Vec<BreakBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What is done about a break: a note, or a row of the ledger that sets it right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BreakResolution)]
pub(in crate::http) struct ResolutionBody {
    /// Why.
    #[schema(min_length = 1, max_length = 500, nullable = false)]
    pub(in crate::http) note: Option<String>,
    /// Posted to the ledger once, as an adjustment.
    #[schema(nullable = false)]
    pub(in crate::http) adjustment: Option<AdjustmentBody>,
}

/// A posting that sets a break right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BreakAdjustment)]
pub(in crate::http) struct AdjustmentBody {
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    pub(in crate::http) debit_account_id: String,
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    pub(in crate::http) credit_account_id: String,
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    pub(in crate::http) amount: String,
    #[schema(pattern = "^[A-Z]{3}$")]
    pub(in crate::http) currency: String,
}

impl ReconciliationBody {
    pub(in crate::http) fn of(of: &Reconciliation) -> Self {
        Self {
            id: of.day.clone(),
            lines: of.lines,
            fits: of.fits,
            at: show_moment(of.at_ms),
        }
    }
}

impl ReconciliationListBody {
    pub(in crate::http) fn of(days: &[Reconciliation]) -> Self {
        Self {
            items: days.iter().map(ReconciliationBody::of).collect(),
        }
    }
}

impl BreakBody {
    pub(in crate::http) fn of(of: &Break) -> Self {
        let money = |side: Option<(i64, Currency)>| {
            side.map(|(amount, currency)| AmountBody {
                amount: amount.to_string(),
                currency,
            })
        };
        Self {
            id: of.id,
            reconciliation_id: of.day.clone(),
            kind: of.kind,
            movement: SettlementKind::name(of.movement),
            reference: of.reference.clone(),
            charge_id: of.charge_id.clone(),
            payment_id: of.payment_id,
            expected: money(of.expected),
            found: money(of.found),
            state: of.state,
            note: of.note.clone(),
            // Before that it is only planned.
            adjustment_id: of.adjustment_id.filter(|_| of.state == BreakState::Adjusted),
            resolved_at: of.resolved_at_ms.map(show_moment),
        }
    }
}

impl BreakListBody {
    pub(in crate::http) fn of(breaks: &[Break], limit: u32) -> Self {
        let more = breaks.len() > limit as usize;
        let page = &breaks[..breaks.len().min(limit as usize)];
        Self {
            items: page.iter().map(BreakBody::of).collect(),
            next_cursor: page.last().filter(|_| more).map(|last| cursor::show(last.id)),
        }
    }
}
