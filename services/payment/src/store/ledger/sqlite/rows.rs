//! Rows as they are stored, made into what the port speaks of. What cannot be is damage.

use std::collections::BTreeMap;

use identity::Tenant;
use ids::Id;

use super::StoreError;
use crate::ledger::decide::Key;
use crate::ledger::{
    Account, AccountKind, Amount, Currency, Direction, Entry, Hold, HoldState, Journal, JournalKind, Limits,
    PartBalance, Posting, RowSummary,
};

pub(super) fn id(column: i64) -> Result<Id, StoreError> {
    Id::from_u64(sql::uint(column)?).ok_or(StoreError::Damaged("an id past 2^63"))
}

pub(super) fn int(id: Id) -> Result<i64, StoreError> {
    Ok(sql::int(id.as_u64())?)
}

pub(super) fn tenant(column: &str) -> Result<Tenant, StoreError> {
    Tenant::parse(column).map_err(|_| StoreError::Damaged("a tenant with an invalid name"))
}

pub(super) fn currency(column: &str) -> Result<Currency, StoreError> {
    column
        .parse()
        .map_err(|_| StoreError::Damaged("a currency that does not exist"))
}

pub(super) fn amount(column: i64) -> Result<Amount, StoreError> {
    Amount::from_minor(column).ok_or(StoreError::Damaged("an amount below one"))
}

pub(super) fn kind(column: i64) -> Result<AccountKind, StoreError> {
    let code = i16::try_from(column).ok();
    code.and_then(AccountKind::from_code)
        .ok_or(StoreError::Damaged("an account of an unknown kind"))
}

pub(super) fn direction(column: i64) -> Result<Direction, StoreError> {
    match column {
        0 => Ok(Direction::Debit),
        1 => Ok(Direction::Credit),
        _ => Err(StoreError::Damaged("an entry on neither side")),
    }
}

pub(super) fn part(column: i64) -> Result<u16, StoreError> {
    u16::try_from(column).map_err(|_| StoreError::Damaged("an account with a part out of range"))
}

pub(super) fn hash(column: Vec<u8>) -> Result<[u8; 32], StoreError> {
    column
        .try_into()
        .map_err(|_| StoreError::Damaged("a hash of another length"))
}

/// `{"tenant": [id, ...]}`, each once and in order: the statements then walk their index forwards.
pub(super) fn grouped<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let mut by_tenant: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (tenant, id) in keys {
        by_tenant.entry(tenant.as_str()).or_default().push(id.as_u64());
    }
    for ids in by_tenant.values_mut() {
        ids.sort_unstable();
        ids.dedup();
    }
    json(&by_tenant)
}

/// Of plain values: it cannot fail.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and texts are JSON")
}

pub(super) type AccountRow = (
    String,
    i64,
    String,
    i64,
    bool,
    bool,
    i64,
    Option<String>,
    String,
    i64,
    Option<i64>,
);

pub(super) fn account(row: AccountRow) -> Result<Account, StoreError> {
    let (owner, number, code, kind_code, below, above, parts, name, metadata, created_ms, closed_ms) = row;
    Ok(Account {
        tenant: tenant(&owner)?,
        id: id(number)?,
        currency: currency(&code)?,
        kind: kind(kind_code)?,
        limits: Limits {
            not_below_zero: below,
            not_above_zero: above,
        },
        parts: part(parts)?,
        name,
        metadata,
        created_at_ms: sql::uint(created_ms)?,
        closed_at_ms: closed_ms.map(sql::uint).transpose()?,
    })
}

pub(super) type BalanceRow = (i64, i64, i64, i64, i64);

pub(super) fn balance(row: BalanceRow) -> Result<PartBalance, StoreError> {
    let (posted, hold_debits, hold_credits, entries, last_at_ms) = row;
    Ok(PartBalance {
        posted,
        hold_debits,
        hold_credits,
        entries,
        last_at_ms: sql::uint(last_at_ms)?,
    })
}

pub(super) type HoldRow = (String, i64, i64, i64, i64, String, i64, i64, i64, i64, i64);

pub(super) fn hold(row: HoldRow) -> Result<Hold, StoreError> {
    let (owner, number, debit, credit, held, code, captured, released, state, expires_ms, created_ms) = row;
    let state = i16::try_from(state).ok().and_then(HoldState::from_code);
    Ok(Hold {
        tenant: tenant(&owner)?,
        id: id(number)?,
        debit_account_id: id(debit)?,
        credit_account_id: id(credit)?,
        amount: amount(held)?,
        currency: currency(&code)?,
        captured,
        released,
        state: state.ok_or(StoreError::Damaged("a hold in an unknown state"))?,
        expires_at_ms: sql::uint(expires_ms)?,
        created_at_ms: sql::uint(created_ms)?,
    })
}

pub(super) type JournalRow = (String, i64, i64, i64, Option<i64>, Option<i64>, String, i64);

/// Without its postings.
pub(super) fn journal(row: JournalRow) -> Result<Journal, StoreError> {
    let (owner, number, kind, at_ms, hold_id, refers_to, details, reversed) = row;
    let kind = i16::try_from(kind).ok().and_then(JournalKind::from_code);
    Ok(Journal {
        tenant: tenant(&owner)?,
        id: id(number)?,
        kind: kind.ok_or(StoreError::Damaged("a row of the journal of an unknown kind"))?,
        at_ms: sql::uint(at_ms)?,
        hold_id: hold_id.map(id).transpose()?,
        refers_to: refers_to.map(id).transpose()?,
        details,
        postings: Vec::new(),
        reversed,
    })
}

pub(super) fn row_summary(
    (number, kind, details, counter): (i64, i64, String, Option<i64>),
) -> Result<RowSummary, StoreError> {
    let kind = i16::try_from(kind).ok().and_then(JournalKind::from_code);
    Ok(RowSummary {
        journal_id: id(number)?,
        kind: kind.ok_or(StoreError::Damaged("a row of the journal of an unknown kind"))?,
        details,
        counter_account_id: counter.map(id).transpose()?,
    })
}

pub(super) type PostingRow = (String, i64, i64, i64, i64, String);

pub(super) fn posting(row: &PostingRow) -> Result<(Key, Posting), StoreError> {
    let (owner, journal_id, account_id, side, moved, code) = row;
    let posting = Posting {
        account_id: id(*account_id)?,
        direction: direction(*side)?,
        amount: amount(*moved)?,
        currency: currency(code)?,
    };
    Ok(((tenant(owner)?, id(*journal_id)?), posting))
}

pub(super) type EntryRow = (String, i64, i64, i64, i64, i64, i64, i64, String, i64, i64);

pub(super) fn entry(row: EntryRow) -> Result<Entry, StoreError> {
    let (_, account_id, place, seq, journal_id, line, side, moved, code, balance_after, at_ms) = row;
    Ok(Entry {
        account_id: id(account_id)?,
        part: part(place)?,
        seq,
        journal_id: id(journal_id)?,
        line: u32::try_from(line).map_err(|_| StoreError::Damaged("an entry with a line out of range"))?,
        direction: direction(side)?,
        amount: amount(moved)?,
        currency: currency(&code)?,
        balance_after,
        at_ms: sql::uint(at_ms)?,
    })
}
