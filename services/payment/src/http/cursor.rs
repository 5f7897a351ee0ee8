//! Cursors of lists: opaque to clients, the last row of the page to us.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::Id;

use crate::error::LedgerError;
use crate::store::ledger::EntryCursor;

pub(crate) fn show(after: Id) -> String {
    URL_SAFE_NO_PAD.encode(after.as_u64().to_be_bytes())
}

pub(crate) fn parse(text: &str) -> Result<Id, LedgerError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let id = bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_be_bytes);
    id.and_then(Id::from_u64).ok_or_else(refused)
}

pub(crate) fn show_entry(after: EntryCursor) -> String {
    let mut bytes = Vec::with_capacity(18);
    bytes.extend(after.at_ms.to_be_bytes());
    bytes.extend(after.part.to_be_bytes());
    bytes.extend(after.seq.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn parse_entry(text: &str) -> Result<EntryCursor, LedgerError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let bytes: [u8; 18] = bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(refused)?;
    let (at_ms, rest) = bytes.split_at(8);
    let (part, seq) = rest.split_at(2);
    let cursor = EntryCursor {
        at_ms: u64::from_be_bytes(at_ms.try_into().map_err(|_| refused())?),
        part: u16::from_be_bytes(part.try_into().map_err(|_| refused())?),
        seq: i64::from_be_bytes(seq.try_into().map_err(|_| refused())?),
    };
    // What no row can have would be no cursor of ours, and the stores could not hold it.
    let possible = cursor.at_ms <= i64::MAX.unsigned_abs() && cursor.seq >= 0;
    possible.then_some(cursor).ok_or_else(refused)
}

fn refused() -> LedgerError {
    LedgerError::Parameter {
        name: "cursor",
        detail: "this is not a cursor of this list".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused() {
        let id = Id::from_u64(123_456_789_012_345_678).unwrap();
        assert_eq!(parse(&show(id)).unwrap(), id);
        let entry = EntryCursor {
            at_ms: 1_800_000_000_000,
            part: 63,
            seq: i64::MAX,
        };
        assert_eq!(parse_entry(&show_entry(entry)).unwrap(), entry);
        for text in [
            "",
            "1",
            "AAAA",
            "__________8",
            "AAAAAAAAAAAAAA",
            "äöü",
            "' OR 1=1",
        ] {
            assert!(parse(text).is_err(), "{text}");
            assert!(parse_entry(text).is_err(), "{text}");
        }
        assert!(parse_entry(&"_".repeat(24)).is_err());
    }
}
