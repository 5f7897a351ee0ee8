//! Statements about the code space.

use std::ops::Range;

use wide::{Level, Serial, Statement};

use super::StoreError;
use super::call::{Call, Pauses, contended};
use crate::store::stored::{integer, natural};

pub(super) const COUNTER: Statement = Statement::read(
    "next_code_counter",
    "SELECT next_counter FROM {keyspace}.code_space WHERE space = ?",
    Level::Serial,
);

pub(super) const LEASE: Statement = Statement::conditional(
    "lease_code_counters",
    "UPDATE {keyspace}.code_space SET next_counter = ? WHERE space = ? IF next_counter = ?",
    Level::Quorum,
    Serial::Global,
);

pub(super) const FINGERPRINT: Statement = Statement::read(
    "code_key_fingerprint",
    "SELECT key_fingerprint FROM {keyspace}.code_space WHERE space = ?",
    Level::Serial,
);

pub(super) const PIN: Statement = Statement::conditional(
    "pin_code_key_fingerprint",
    "UPDATE {keyspace}.code_space SET key_fingerprint = ? WHERE space = ? IF key_fingerprint = null",
    Level::Quorum,
    Serial::Global,
);

/// A range whose lease was not answered is nobody's: with so many codes it is not missed.
pub(super) async fn lease(
    call: &Call<'_>,
    space: &str,
    count: u64,
    ceiling: u64,
) -> Result<Range<u64>, StoreError> {
    let mut pauses = Pauses::new();
    loop {
        let row: Option<(Option<i64>,)> = call.row(&COUNTER, (space,)).await?;
        let next = row.and_then(|(next,)| next);
        let from = natural(next.unwrap_or(0))?;
        let end = from.checked_add(count).filter(|end| *end <= ceiling);
        let end = end.ok_or(StoreError::CodesExhausted)?;
        let values = (integer(end)?, space, next);
        if call.conditional(&LEASE, &values).await?.applied {
            return Ok(from..end);
        }
        if !call.pause(&mut pauses).await {
            return Err(contended("the code counters"));
        }
    }
}

pub(super) async fn fingerprint(call: &Call<'_>, space: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(Option<String>,)> = call.row(&FINGERPRINT, (space,)).await?;
    Ok(row.and_then(|(fingerprint,)| fingerprint))
}

pub(super) async fn pin(call: &Call<'_>, space: &str, ours: &str) -> Result<String, StoreError> {
    if call.conditional(&PIN, &(ours, space)).await?.applied {
        return Ok(ours.to_owned());
    }
    let pinned = fingerprint(call, space).await?;
    pinned.ok_or_else(|| StoreError::Corrupt("a pinned fingerprint is gone".to_owned()))
}
