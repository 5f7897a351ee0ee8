//! Fields as people type them, judged one by one.

use ids::Id;

use super::Rules;
use crate::error::{Invalid, Wrong};
use crate::ledger::{Amount, Currency};

pub(super) fn id(text: &str, pointer: &str) -> Result<Id, Wrong> {
    let id = text.parse().ok().filter(|id: &Id| id.as_u64() > 0);
    id.ok_or_else(|| Wrong::at(pointer, Invalid::Id))
}

/// An amount within what moves at once.
pub(super) fn amount(rules: &Rules, text: &str, pointer: &str) -> Result<Amount, Wrong> {
    let amount: Amount = text.parse().map_err(|_| Wrong::at(pointer, Invalid::Amount))?;
    let max = rules.transfer_minor_max;
    if amount.minor().unsigned_abs() > max {
        return Err(Wrong::at(pointer, Invalid::AmountOverLimit { max }));
    }
    Ok(amount)
}

/// A currency that is on the allow-list.
pub(super) fn currency(rules: &Rules, text: &str, pointer: &str) -> Result<Currency, Wrong> {
    let currency: Currency = text.parse().map_err(|_| Wrong::at(pointer, Invalid::Currency))?;
    let allowed = rules
        .currencies
        .as_ref()
        .is_none_or(|list| list.contains(&currency));
    if !allowed {
        return Err(Wrong::at(pointer, Invalid::CurrencyNotAllowed { currency }));
    }
    Ok(currency)
}

/// A text for people: it gets into books that are never changed, so a card number may not. Line breaks are theirs; other control characters are nobody's.
pub(super) fn text(text: &str, chars_max: usize, pointer: &str) -> Result<(), Wrong> {
    if text.chars().count() > chars_max || !is_plain(text) {
        return Err(Wrong::at(pointer, Invalid::Text { chars_max }));
    }
    if card_numbers::is_in(text) {
        return Err(Wrong::at(pointer, Invalid::CardNumber));
    }
    Ok(())
}

pub(super) fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|char| char.is_control() && !matches!(char, '\n' | '\t'))
}
