//! Rows as PostgreSQL gives them, made into what the port speaks of. What cannot be is damage.

use identity::Tenant;
use ids::Id;

use crate::ledger::{
    Account, AccountKind, Amount, Currency, Direction, Entry, Hold, HoldState, Journal, JournalKind, Limits,
    RowSummary,
};
use crate::store::StoreError;

pub(super) fn tenant(text: &str) -> Result<Tenant, StoreError> {
    Tenant::parse(text).map_err(|_| StoreError::Damaged("a tenant with an invalid name"))
}

pub(super) fn id(column: i64) -> Result<Id, StoreError> {
    let raw = sql::uint(column)?;
    Id::from_u64(raw).ok_or(StoreError::Damaged("an id that is none"))
}

pub(super) fn amount(column: i64) -> Result<Amount, StoreError> {
    Amount::from_minor(column).ok_or(StoreError::Damaged("an amount that is none"))
}

pub(super) fn currency(text: &str) -> Result<Currency, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Damaged("an unknown currency"))
}

pub(super) fn direction(column: i16) -> Result<Direction, StoreError> {
    match column {
        0 => Ok(Direction::Debit),
        1 => Ok(Direction::Credit),
        _ => Err(StoreError::Damaged("an entry on neither side")),
    }
}

pub(super) fn hash(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a hash that is none"))
}

pub(super) fn account_kind(column: i16) -> Result<AccountKind, StoreError> {
    AccountKind::from_code(column).ok_or(StoreError::Damaged("an account of no kind"))
}

pub(super) fn hold_state(column: i16) -> Result<HoldState, StoreError> {
    HoldState::from_code(column).ok_or(StoreError::Damaged("a hold in no state"))
}

fn small(column: i16) -> Result<u16, StoreError> {
    u16::try_from(column).map_err(|_| StoreError::Damaged("a negative part"))
}

/// Tenant, id, currency, kind, both limits, parts, name, metadata, created, closed.
pub(super) type AccountRow = (
    String,
    i64,
    String,
    i16,
    bool,
    bool,
    i16,
    Option<String>,
    String,
    i64,
    Option<i64>,
);

pub(super) fn account(row: AccountRow) -> Result<Account, StoreError> {
    Ok(Account {
        tenant: tenant(&row.0)?,
        id: id(row.1)?,
        currency: currency(&row.2)?,
        kind: account_kind(row.3)?,
        limits: Limits {
            not_below_zero: row.4,
            not_above_zero: row.5,
        },
        parts: small(row.6)?,
        name: row.7,
        metadata: row.8,
        created_at_ms: sql::uint(row.9)?,
        closed_at_ms: row.10.map(sql::uint).transpose()?,
    })
}

/// Tenant, id, kind, time, hold, refers to, details, reversed.
pub(super) type JournalRow = (String, i64, i16, i64, Option<i64>, Option<i64>, String, i64);

/// Its postings are added later.
pub(super) fn journal(row: JournalRow) -> Result<Journal, StoreError> {
    let (of, number, kind, at_ms, hold_id, refers_to, details, reversed) = row;
    Ok(Journal {
        tenant: tenant(&of)?,
        id: id(number)?,
        kind: JournalKind::from_code(kind).ok_or(StoreError::Damaged("a row of the journal of no kind"))?,
        at_ms: sql::uint(at_ms)?,
        hold_id: hold_id.map(id).transpose()?,
        refers_to: refers_to.map(id).transpose()?,
        details,
        postings: Vec::new(),
        reversed,
    })
}

pub(super) fn row_summary(
    (number, kind, details, counter): (i64, i16, String, Option<i64>),
) -> Result<RowSummary, StoreError> {
    Ok(RowSummary {
        journal_id: id(number)?,
        kind: JournalKind::from_code(kind).ok_or(StoreError::Damaged("a row of the journal of no kind"))?,
        details,
        counter_account_id: counter.map(id).transpose()?,
    })
}

/// Account, part, sequence, journal row, line, direction, amount, currency, balance after, time.
pub(super) type EntryRow = (i64, i16, i64, i64, i32, i16, i64, String, i64, i64);

pub(super) fn entry(row: &EntryRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        account_id: id(row.0)?,
        part: small(row.1)?,
        seq: row.2,
        journal_id: id(row.3)?,
        line: u32::try_from(row.4).map_err(|_| StoreError::Damaged("a negative line"))?,
        direction: direction(row.5)?,
        amount: amount(row.6)?,
        currency: currency(&row.7)?,
        balance_after: row.8,
        at_ms: sql::uint(row.9)?,
    })
}

/// Its tenant, and then as [`EntryRow`].
pub(super) type TenantEntryRow = (String, i64, i16, i64, i64, i32, i16, i64, String, i64, i64);

#[expect(
    clippy::many_single_char_names,
    reason = "columns in order: their names stand at the type"
)]
pub(super) fn tenant_entry(row: TenantEntryRow) -> Result<(String, Entry), StoreError> {
    let (tenant, a, b, c, d, e, f, g, h, i, j) = row;
    Ok((tenant, entry(&(a, b, c, d, e, f, g, h, i, j))?))
}

/// Tenant, id, debit account, credit account, amount, currency, captured, voided, state, expires, created.
pub(super) type HoldRow = (String, i64, i64, i64, i64, String, i64, i64, i16, i64, i64);

pub(super) fn hold(row: &HoldRow) -> Result<Hold, StoreError> {
    Ok(Hold {
        tenant: tenant(&row.0)?,
        id: id(row.1)?,
        debit_account_id: id(row.2)?,
        credit_account_id: id(row.3)?,
        amount: amount(row.4)?,
        currency: currency(&row.5)?,
        captured: row.6,
        released: row.7,
        state: hold_state(row.8)?,
        expires_at_ms: sql::uint(row.9)?,
        created_at_ms: sql::uint(row.10)?,
    })
}
