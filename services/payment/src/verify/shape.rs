//! What a row of the journal is by itself: its lines are as many as its kind has, its details are JSON.

use serde::de::IgnoredAny;

use super::chained::JournalFields;
use crate::ledger::JournalKind;

/// What is wrong with a row that has so many lines; `None` where nothing is.
pub(super) fn trouble(row: &JournalFields, lines: usize) -> Option<String> {
    let kind = i16::try_from(row.kind).ok().and_then(JournalKind::from_code);
    let (least, most) = match kind? {
        JournalKind::Hold | JournalKind::Void | JournalKind::Expiry => (0, 0),
        JournalKind::Capture => (2, 2),
        JournalKind::Transfer
        | JournalKind::Transaction
        | JournalKind::Reversal
        | JournalKind::Adjustment => (2, usize::MAX),
    };
    if !(least..=most).contains(&lines) {
        let name = kind?.name();
        return Some(format!("is a {name} of {lines} postings"));
    }
    let details = row.details.as_deref()?;
    let is_object = details.starts_with('{') && serde_json::from_str::<IgnoredAny>(details).is_ok();
    (!is_object).then(|| "has details that are no JSON object".to_owned())
}
