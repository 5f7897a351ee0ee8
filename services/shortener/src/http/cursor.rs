//! Cursors of the list: opaque to clients, the last id of the page to us.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::Id;

use crate::error::LinkError;

pub(crate) fn show(before: Id) -> String {
    URL_SAFE_NO_PAD.encode(before.as_u64().to_be_bytes())
}

pub(crate) fn parse(text: &str) -> Result<Id, LinkError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let id = bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_be_bytes);
    id.and_then(Id::from_u64).ok_or_else(|| LinkError::Parameter {
        name: "cursor",
        detail: "this is not a cursor of this list".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused() {
        let id = Id::from_u64(123_456_789_012_345_678).unwrap();
        assert_eq!(parse(&show(id)).unwrap(), id);
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
        }
    }
}
