//! What people and programs write beside the numbers. It is chained byte for byte as it is stored, so it is written in one way.

use std::collections::BTreeMap;

use ids::Id;
use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::{Rules, fields};
use crate::error::{Invalid, Wrong};

const NAME_CHARS_MAX: usize = 64;

/// The client's own names and values.
pub(crate) type Metadata = BTreeMap<String, String>;

/// What stands beside a row's postings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
    /// The rate of an exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
}

impl Details {
    /// As it is stored, once judged.
    pub(crate) fn checked(&self, rules: &Rules) -> Result<String, Wrong> {
        if let Some(description) = &self.description {
            fields::text(description, rules.books.description_chars_max, "/description")?;
        }
        metadata(rules, &self.metadata)?;
        Ok(written(self))
    }

    /// The payment whose saga wrote the row, which stands at the top: clients' own names stand in their metadata.
    pub(crate) fn payment(text: &str) -> Option<Id> {
        #[derive(Deserialize)]
        struct Mark {
            payment_id: Option<Id>,
        }
        let mark: Option<Mark> = serde_json::from_str(text).ok();
        mark?.payment_id
    }

    /// Read back from the store. Rows that others wrote may have more in them, which is theirs.
    pub(crate) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// Metadata as it is stored, once judged.
pub(super) fn metadata(rules: &Rules, metadata: &Metadata) -> Result<String, Wrong> {
    let is_name = |name: &str| (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    let plain = |(name, value): (&String, &String)| {
        is_name(name) && fields::is_plain(name) && fields::is_plain(value)
    };
    let text = written(metadata);
    let (entries_max, bytes_max) = (rules.books.metadata_entries_max, rules.books.metadata_bytes_max);
    if metadata.len() > entries_max || text.len() > bytes_max {
        let invalid = Invalid::MetadataTooLarge {
            entries_max,
            bytes_max,
        };
        return Err(Wrong::at("/metadata", invalid));
    }
    if !metadata.iter().all(plain) {
        return Err(Wrong::at("/metadata", Invalid::Metadata));
    }
    if metadata.iter().any(has_card) {
        return Err(Wrong::at("/metadata", Invalid::CardNumber));
    }
    Ok(text)
}

/// Whether a name or its value has a card number in it. A value that a program made, or of a name `id` or `…_id` and with more digits than nearly all
/// cards have, is a name itself: one in ten passes for a card by chance.
fn has_card((name, value): (&String, &String)) -> bool {
    let is_id = (name == "id" || name.ends_with("_id"))
        && value.len() > card_numbers::DIGITS_USUAL_MAX
        && value.bytes().all(|byte| byte.is_ascii_digit());
    card_numbers::is_in(name) || (!is_id && !card_numbers::is_made(value) && card_numbers::is_in(value))
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts under texts are always JSON")
}
