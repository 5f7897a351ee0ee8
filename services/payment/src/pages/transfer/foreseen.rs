//! What can be said before money is moved: whether it would be, as things are now. Whoever is asked to confirm is not refused afterwards for what
//! was known. The ledger judges again when it moves.

use identity::Tenant;

use super::{AMOUNT, CREDIT, DEBIT, Read, Unread, title};
use crate::error::Invalid;
use crate::http::App;
use crate::ledger::{Account, Balance, Direction};
use crate::pages::money;

/// Says what would be refused, at the field that it is about.
pub(super) async fn check(app: &App, tenant: &Tenant, read: &Read) -> Result<(), Unread> {
    let rules = &app.books.rules;
    let (debit, credit) = (&read.debit, &read.credit);
    for (field, account) in [(DEBIT, debit), (CREDIT, credit)] {
        if account.closed_at_ms.is_some() {
            let why = format!("{} is closed: choose another account", title(account));
            return Err(Unread::at(field, "account_closed", why));
        }
    }
    let currency = debit.currency;
    if rules
        .currencies
        .as_ref()
        .is_some_and(|list| !list.contains(&currency))
    {
        let why = Invalid::CurrencyNotAllowed { currency };
        return Err(Unread::at(DEBIT, why.code(), why.to_string()));
    }
    // Digits that 63 bits cannot hold are more than any limit.
    let max = rules.transfer_minor_max.min(i64::MAX.unsigned_abs());
    let minor = u64::try_from(read.minor).ok().filter(|minor| *minor <= max);
    let Some(minor) = minor else {
        let most = money::show(i128::from(max), currency);
        let why = format!("at most {most} moves at once here");
        return Err(Unread::at(AMOUNT, Invalid::AmountOverLimit { max }.code(), why));
    };
    for (account, direction) in [(debit, Direction::Debit), (credit, Direction::Credit)] {
        // One without limits takes anything.
        if account.limits.not_below_zero || account.limits.not_above_zero {
            let shown = app.books.read_balance(tenant, account.id, None).await;
            let balance = shown.map_err(Unread::Books)?.balance;
            within(account, &balance, direction, i128::from(minor))?;
        }
    }
    Ok(())
}

/// Whether the account's limits leave room for it.
fn within(account: &Account, balance: &Balance, direction: Direction, minor: i128) -> Result<(), Unread> {
    let grows = account.kind.is_debit_normal() == (direction == Direction::Debit);
    let (room, code) = if grows && account.limits.not_above_zero {
        (-(balance.posted + balance.pending_in), "limit_exceeded")
    } else if !grows && account.limits.not_below_zero {
        (balance.available(), "insufficient_funds")
    } else {
        return Ok(());
    };
    if minor <= room {
        return Ok(());
    }
    let (of, room) = (title(account), money::show(room.max(0), account.currency));
    let why = if grows {
        format!("{of} may not go above zero: at most {room} can move")
    } else {
        format!("{of} has {room} available, and may not go below zero")
    };
    Err(Unread::at(AMOUNT, code, why))
}
