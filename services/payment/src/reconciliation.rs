//! The processor's settlement of a day held against what the ledger moved: pure.
//!
//! Each line of the settlement names a movement of ours by its reference: `payment/ID` of a capture, `refund/ID` of a refund. A charge that was taken and
//! sent back because its payment failed (`payment/ID/return/N`) is no movement of ours: both of its lines are expected. What we moved at the end of a day
//! and the processor just before or after midnight is looked for in the neighbouring day too, so it is judged a day later
//! ([`OVERLAP_MS`]).

use std::collections::{BTreeMap, BTreeSet};

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use crate::ledger::Currency;
use crate::processor::{SettlementKind, SettlementRow};

/// How far the processor's clock and ours may be apart, and how long a capture there may precede its own in the ledger.
pub const OVERLAP_MS: u64 = 60 * 60 * 1_000;

/// What kind of difference there is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// The ledger moved it, and no settlement has it.
    MissingInSettlement,
    /// The settlement has it, and the ledger did not move it.
    MissingInLedger,
    /// Both have it, with other amounts.
    AmountDiffers,
    /// Both have it, in other currencies.
    CurrencyDiffers,
    /// Settlements have it more than once.
    Duplicate,
}

impl BreakKind {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::MissingInSettlement,
        Self::MissingInLedger,
        Self::AmountDiffers,
        Self::CurrencyDiffers,
        Self::Duplicate,
    ];

    /// As the store keeps it and the API shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingInSettlement => "missing_in_settlement",
            Self::MissingInLedger => "missing_in_ledger",
            Self::AmountDiffers => "amount_differs",
            Self::CurrencyDiffers => "currency_differs",
            Self::Duplicate => "duplicate",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Money that the ledger moved for a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Whose.
    pub tenant: Tenant,
    /// What the processor knows it by.
    pub reference: String,
    /// What.
    pub kind: SettlementKind,
    /// For which payment.
    pub payment_id: Id,
    /// Minor units.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind.
    pub kind: BreakKind,
    /// Of what movement.
    pub movement: SettlementKind,
    /// Its reference.
    pub reference: String,
    /// The processor's name for the charge, where a settlement has it.
    pub charge_id: Option<String>,
    /// Ours, where the ledger has it.
    pub ours: Option<Movement>,
    /// What the settlement says: minor units and currency.
    pub found: Option<(i64, Currency)>,
}

/// All that a day is judged by.
#[derive(Debug, Clone, Default)]
pub struct Day {
    /// The settlement's lines.
    pub lines: Vec<SettlementRow>,
    /// Movements that the lines name, whenever they were.
    pub named: BTreeMap<String, Movement>,
    /// Movements of ours that must be in this settlement or in an earlier one.
    pub due: Vec<Movement>,
    /// References of the lines and of `due` that earlier settlements have.
    pub earlier: BTreeSet<String>,
    /// References of payments that failed and whose charge was sent back.
    pub returned: BTreeSet<String>,
}

/// The differences of a day, in the order of the settlement and then of the ledger, and how many lines fit.
pub fn differences(day: &Day) -> (Vec<Difference>, usize) {
    let (mut differences, mut fits, mut seen) = (Vec::new(), 0, day.earlier.clone());
    for line in &day.lines {
        let again = !seen.insert(line.reference.clone());
        match judged(day, line, again) {
            Some(kind) => differences.push(Difference {
                kind,
                movement: line.kind,
                reference: line.reference.clone(),
                charge_id: Some(line.charge_id.clone()),
                ours: day.named.get(&line.reference).cloned(),
                found: Some((line.amount, line.currency)),
            }),
            None => fits += 1,
        }
    }
    for ours in day.due.iter().filter(|ours| !seen.contains(&ours.reference)) {
        differences.push(Difference {
            kind: BreakKind::MissingInSettlement,
            movement: ours.kind,
            reference: ours.reference.clone(),
            charge_id: None,
            ours: Some(ours.clone()),
            found: None,
        });
    }
    (differences, fits)
}

fn judged(day: &Day, line: &SettlementRow, again: bool) -> Option<BreakKind> {
    if again {
        return Some(BreakKind::Duplicate);
    }
    let Some(ours) = day.named.get(&line.reference) else {
        let payment = line.reference.split("/return/").next().unwrap_or_default();
        return (!day.returned.contains(payment)).then_some(BreakKind::MissingInLedger);
    };
    if ours.kind != line.kind {
        return Some(BreakKind::MissingInLedger);
    }
    if ours.currency != line.currency {
        return Some(BreakKind::CurrencyDiffers);
    }
    (ours.amount != line.amount).then_some(BreakKind::AmountDiffers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(reference: &str, kind: SettlementKind, amount: i64) -> Movement {
        Movement {
            tenant: Tenant::parse("acme").unwrap(),
            reference: reference.to_owned(),
            kind,
            payment_id: Id::from_u64(7).unwrap(),
            amount,
            currency: "EUR".parse().unwrap(),
            at_ms: 1,
        }
    }

    fn line(reference: &str, kind: SettlementKind, amount: i64, currency: &str) -> SettlementRow {
        SettlementRow {
            charge_id: "ch_1".to_owned(),
            reference: reference.to_owned(),
            kind,
            amount,
            currency: currency.parse().unwrap(),
        }
    }

    use SettlementKind::{Capture, Refund};

    fn day(lines: Vec<SettlementRow>, ours: Vec<Movement>) -> Day {
        Day {
            lines,
            named: ours
                .iter()
                .map(|ours| (ours.reference.clone(), ours.clone()))
                .collect(),
            due: ours,
            ..Day::default()
        }
    }

    fn kinds(day: &Day) -> Vec<(BreakKind, String)> {
        let (differences, _) = differences(day);
        differences
            .into_iter()
            .map(|found| (found.kind, found.reference))
            .collect()
    }

    #[test]
    fn a_day_that_fits_has_no_differences() {
        let day = day(
            vec![
                line("payment/1", Capture, 700, "EUR"),
                line("refund/2", Refund, 200, "EUR"),
            ],
            vec![ours("payment/1", Capture, 700), ours("refund/2", Refund, 200)],
        );
        assert_eq!(differences(&day), (Vec::new(), 2));
    }

    #[test]
    fn each_kind_of_difference_is_found_and_told_from_the_others() {
        let day = day(
            vec![
                line("payment/1", Capture, 701, "EUR"),
                line("payment/2", Capture, 700, "USD"),
                line("payment/3", Capture, 700, "EUR"),
                line("payment/3", Capture, 700, "EUR"),
                line("payment/9", Capture, 5, "EUR"),
                line("payment/4", Refund, 700, "EUR"),
            ],
            (1..=5)
                .map(|number| ours(&format!("payment/{number}"), Capture, 700))
                .collect(),
        );
        let expected = [
            (BreakKind::AmountDiffers, "payment/1"),
            (BreakKind::CurrencyDiffers, "payment/2"),
            (BreakKind::Duplicate, "payment/3"),
            (BreakKind::MissingInLedger, "payment/9"),
            (BreakKind::MissingInLedger, "payment/4"),
            (BreakKind::MissingInSettlement, "payment/5"),
        ];
        let expected: Vec<_> = expected
            .map(|(kind, reference)| (kind, reference.to_owned()))
            .into();
        assert_eq!(kinds(&day), expected);
    }

    #[test]
    fn what_an_earlier_settlement_has_is_not_missing_and_not_expected_twice() {
        let mut day = day(
            vec![line("payment/2", Capture, 700, "EUR")],
            vec![ours("payment/1", Capture, 700), ours("payment/2", Capture, 700)],
        );
        day.earlier = BTreeSet::from(["payment/1".to_owned(), "payment/2".to_owned()]);
        assert_eq!(kinds(&day), [(BreakKind::Duplicate, "payment/2".to_owned())]);
    }

    #[test]
    fn a_charge_that_was_sent_back_because_its_payment_failed_is_expected() {
        let mut day = day(
            vec![
                line("payment/1", Capture, 700, "EUR"),
                line("payment/1/return/9", Refund, 700, "EUR"),
            ],
            Vec::new(),
        );
        assert_eq!(kinds(&day).len(), 2);
        day.returned = BTreeSet::from(["payment/1".to_owned()]);
        assert_eq!(differences(&day), (Vec::new(), 2));
    }
}
