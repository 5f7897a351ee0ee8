//! Rows read back.

use identity::Tenant;
use ids::Id;
use sqlx::Row as _;

use crate::ledger::Amount;
use crate::payment::{
    JournalRows, Method, Payment, Refund, RefundRows, RefundState, StepOutcome, StepRecord,
};
use crate::protocol::saga::{Call, Step};
use crate::store::StoreError;

const DAMAGED: StoreError = StoreError::Damaged("a payment that makes no sense");

/// An id column.
pub(super) fn id(raw: i64) -> Result<Id, StoreError> {
    u64::try_from(raw).ok().and_then(Id::from_u64).ok_or(DAMAGED)
}

/// An id as a column holds it.
pub(super) fn raw(id: Id) -> Result<i64, StoreError> {
    Ok(sql::int(id.as_u64())?)
}

fn tenant(text: &str) -> Result<Tenant, StoreError> {
    Tenant::parse(text).map_err(|_| DAMAGED)
}

fn moment(raw: Option<i64>) -> Result<Option<u64>, StoreError> {
    Ok(raw.map(sql::uint).transpose()?)
}

macro_rules! read_rows {
    ($name:ident, $row:ty) => {
        pub(super) mod $name {
            use super::*;

            pub(in super::super) fn payment(row: &$row) -> Result<Payment, StoreError> {
                Ok(Payment {
                    tenant: tenant(row.try_get(0)?)?,
                    id: id(row.try_get(1)?)?,
                    payer_account_id: id(row.try_get(2)?)?,
                    merchant_account_id: id(row.try_get(3)?)?,
                    amount: Amount::from_minor(row.try_get(4)?).ok_or(DAMAGED)?,
                    currency: row.try_get::<&str, _>(5)?.parse().map_err(|_| DAMAGED)?,
                    method: Method::parse(row.try_get(6)?).map_err(|_| DAMAGED)?,
                    description: row.try_get(7)?,
                    payer: row.try_get(8)?,
                    rows: JournalRows {
                        hold: id(row.try_get(9)?)?,
                        capture: id(row.try_get(10)?)?,
                        release: id(row.try_get(11)?)?,
                    },
                    saga: serde_json::from_str(row.try_get(12)?).map_err(|_| DAMAGED)?,
                    created_at_ms: sql::uint(row.try_get(13)?)?,
                    updated_at_ms: sql::uint(row.try_get(14)?)?,
                    traceparent: row.try_get(15)?,
                })
            }

            pub(in super::super) fn step(row: &$row) -> Result<StepRecord, StoreError> {
                let outcome: Option<&str> = row.try_get(5)?;
                Ok(StepRecord {
                    place: u32::try_from(row.try_get::<i64, _>(0)?).map_err(|_| DAMAGED)?,
                    step: Step::from_name(row.try_get(1)?).ok_or(DAMAGED)?,
                    call: Call::from_name(row.try_get(2)?).ok_or(DAMAGED)?,
                    began_at_ms: sql::uint(row.try_get(3)?)?,
                    ended_at_ms: moment(row.try_get(4)?)?,
                    outcome: outcome
                        .map(|name| StepOutcome::from_name(name).ok_or(DAMAGED))
                        .transpose()?,
                    code: row.try_get(6)?,
                })
            }

            pub(in super::super) fn refund(row: &$row) -> Result<Refund, StoreError> {
                Ok(Refund {
                    tenant: tenant(row.try_get(0)?)?,
                    id: id(row.try_get(1)?)?,
                    payment_id: id(row.try_get(2)?)?,
                    amount: Amount::from_minor(row.try_get(3)?).ok_or(DAMAGED)?,
                    state: RefundState::from_code(row.try_get(4)?).ok_or(DAMAGED)?,
                    refused: row.try_get(5)?,
                    rows: RefundRows {
                        hold: id(row.try_get(6)?)?,
                        release: id(row.try_get(7)?)?,
                        reversal: id(row.try_get(8)?)?,
                    },
                    created_at_ms: sql::uint(row.try_get(9)?)?,
                    ended_at_ms: moment(row.try_get(10)?)?,
                })
            }
        }
    };
}

read_rows!(postgres, sqlx::postgres::PgRow);
read_rows!(sqlite, sqlx::sqlite::SqliteRow);
