//! Rows as both engines give them, made into what the port speaks of. What cannot be is damage, not a client's fault.

use super::{Answer, StoreError, Webhook};
use crate::charge::{Charge, Movement, MovementKind, Status};

pub(super) type ChargeRow = (
    String,
    String,
    i64,
    String,
    String,
    String,
    i64,
    i64,
    Option<String>,
    i64,
    i64,
);

pub(super) fn charge(row: ChargeRow) -> Result<Charge, StoreError> {
    Ok(Charge {
        id: row.0,
        reference: row.1,
        amount: sql::uint(row.2)?,
        currency: row.3,
        method: row.4,
        status: Status::from_name(&row.5).ok_or(StoreError::Damaged("a charge of no status"))?,
        captured: sql::uint(row.6)?,
        refunded: sql::uint(row.7)?,
        decline_code: row.8,
        created_at_ms: sql::uint(row.9)?,
        updated_at_ms: sql::uint(row.10)?,
    })
}

pub(super) type MovementRow = (String, String, String, String, i64, String, i64);

pub(super) fn movement(row: MovementRow) -> Result<Movement, StoreError> {
    Ok(Movement {
        id: row.0,
        charge_id: row.1,
        reference: row.2,
        kind: MovementKind::from_name(&row.3).ok_or(StoreError::Damaged("a movement of no kind"))?,
        amount: sql::uint(row.4)?,
        currency: row.5,
        at_ms: sql::uint(row.6)?,
    })
}

pub(super) type WebhookRow = (String, String, i64, i64);

pub(super) fn webhook((id, body, copies, attempts): WebhookRow) -> Result<Webhook, StoreError> {
    let small =
        |number: i64| u32::try_from(number).map_err(|_| StoreError::Damaged("a webhook with a wrong count"));
    Ok(Webhook {
        id,
        body,
        copies: small(copies)?,
        attempts: small(attempts)?,
    })
}

pub(super) fn answer(text: &str) -> Result<Answer, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged("an answer that cannot be read"))
}
