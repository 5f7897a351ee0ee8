//! The processor's settlement of a day: what it says it took and sent back.

use serde::Deserialize;

use crate::ledger::Currency;

/// Why a settlement was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// It could not be fetched.
    #[error("the settlement could not be fetched: {0}")]
    Away(String),
    /// It is no settlement.
    #[error("row {row} of the settlement cannot be read: {cause}")]
    Unreadable {
        /// Which, counted from 1 below the head.
        row: usize,
        /// Why.
        cause: String,
    },
    /// It has too many rows.
    #[error("the settlement has more than {rows_max} rows (payment.reconciliation.rows_max)")]
    TooLarge {
        /// The limit.
        rows_max: usize,
    },
}

impl SettlementError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Away(_) => "settlement_unavailable",
            Self::Unreadable { .. } => "settlement_unreadable",
            Self::TooLarge { .. } => "settlement_too_large",
        }
    }
}

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementKind {
    /// Money taken.
    #[serde(alias = "charge")]
    Capture,
    /// Money sent back.
    Refund,
}

impl SettlementKind {
    /// As the store keeps it and the API shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
        }
    }

    /// Read back from the store.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Capture, Self::Refund]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementRow {
    /// The processor's name for the charge.
    pub charge_id: String,
    /// Ours for it: of a capture the payment's, of a refund the refund's or the payment's.
    pub reference: String,
    /// What.
    pub kind: SettlementKind,
    /// Minor units.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
}

#[derive(Debug, Deserialize)]
struct Line {
    charge_id: String,
    reference: String,
    kind: SettlementKind,
    amount: String,
    currency: String,
}

/// Reads the CSV, columns by name.
pub fn read_settlement(bytes: &[u8], rows_max: usize) -> Result<Vec<SettlementRow>, SettlementError> {
    let mut rows = Vec::new();
    for (index, line) in csv::Reader::from_reader(bytes).deserialize::<Line>().enumerate() {
        let row = index + 1;
        let unreadable = |cause: String| SettlementError::Unreadable { row, cause };
        if rows.len() == rows_max {
            return Err(SettlementError::TooLarge { rows_max });
        }
        let line = line.map_err(|error| unreadable(error.to_string()))?;
        let amount: i64 = line
            .amount
            .parse()
            .map_err(|_| unreadable("its amount is no number".to_owned()))?;
        if amount <= 0 {
            return Err(unreadable("its amount is not above zero".to_owned()));
        }
        rows.push(SettlementRow {
            charge_id: line.charge_id,
            reference: line.reference,
            kind: line.kind,
            amount,
            currency: line
                .currency
                .parse()
                .map_err(|_| unreadable("its currency is none of ISO 4217".to_owned()))?,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_by_name() {
        let text = "charge_id,reference,kind,amount,currency,fee,at\n\
                    ch_1,payment/7,capture,700,EUR,21,2026-11-22T10:00:00Z\n\
                    ch_1,payment/7,refund,200,EUR,0,2026-11-22T11:00:00Z\n";
        let rows = read_settlement(text.as_bytes(), 10).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].kind, rows[1].amount), (SettlementKind::Refund, 200));
    }

    #[test]
    fn what_is_no_settlement_is_told_by_its_row() {
        let head = "charge_id,reference,kind,amount,currency,fee,at\n";
        for line in [
            "ch,r,capture,-1,EUR,0,x",
            "ch,r,capture,1.5,EUR,0,x",
            "ch,r,gift,1,EUR,0,x",
            "ch,r,capture,1,EURO,0,x",
        ] {
            let text = format!("{head}ch,r,capture,1,EUR,0,x\n{line}\n");
            let error = read_settlement(text.as_bytes(), 10).unwrap_err();
            assert!(
                matches!(error, SettlementError::Unreadable { row: 2, .. }),
                "{line}: {error}"
            );
        }
        let text = format!("{head}{}", "ch,r,capture,1,EUR,0,x\n".repeat(3));
        assert_eq!(
            read_settlement(text.as_bytes(), 2),
            Err(SettlementError::TooLarge { rows_max: 2 })
        );
    }
}
