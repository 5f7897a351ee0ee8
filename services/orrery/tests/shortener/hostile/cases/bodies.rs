//! Bodies that are no JSON, or JSON of the wrong shape.

use super::{Case, Expected, INVALID, MALFORMED, Table, case};

const ROWS: &[(&str, &[u8], Expected)] = &[
    ("an empty body", b"", MALFORMED),
    ("a body of spaces", b"   ", MALFORMED),
    ("half an object", br#"{"url":"https://e.com/""#, MALFORMED),
    ("two objects", br#"{"url":"https://e.com/"}{}"#, MALFORMED),
    ("a trailing comma", br#"{"url":"https://e.com/",}"#, MALFORMED),
    ("a comment", br#"{"url":"https://e.com/"/* */}"#, MALFORMED),
    ("a form", b"url=https://e.com/", MALFORMED),
    ("bad UTF-8", b"{\"url\":\"https://e.com/\xff\"}", MALFORMED),
    (
        "an overlong slash",
        b"{\"url\":\"https://e.com/\xc0\xaf\"}",
        MALFORMED,
    ),
    ("UTF-16", b"\xff\xfe{\x00}\x00", MALFORMED),
    (
        "a byte order mark",
        b"\xef\xbb\xbf{\"url\":\"https://e.com/\"}",
        MALFORMED,
    ),
    (
        "half a surrogate pair",
        br#"{"url":"https://e.com/\ud800"}"#,
        MALFORMED,
    ),
    ("a raw line break", b"{\"url\":\"https://e.com/\r\n\"}", MALFORMED),
    (
        "a NUL after the object",
        b"{\"url\":\"https://e.com/\"}\x00",
        MALFORMED,
    ),
    ("a number beyond numbers", br#"{"url":1e99999}"#, MALFORMED),
    ("not a number", br#"{"url":NaN}"#, MALFORMED),
    ("null", b"null", INVALID),
    ("a string", br#""https://e.com/""#, INVALID),
    (
        "an array that spells the fields",
        br#"["https://e.com/",null,null,false,[]]"#,
        INVALID,
    ),
    ("an array of links", br#"[{"url":"https://e.com/"}]"#, INVALID),
    ("an empty object", b"{}", INVALID),
];

impl Table {
    pub(super) fn bodies(&self) -> Vec<Case> {
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        let made = [
            ("30,000 open brackets", "[".repeat(30_000), MALFORMED),
            ("deep arrays in a field", format!(r#"{{"url":{deep}}}"#), INVALID),
            (
                "deep arrays in an unknown field",
                format!(r#"{{"x":{deep}}}"#),
                INVALID,
            ),
        ];
        let made = made
            .iter()
            .map(|(name, body, expected)| (*name, body.as_bytes(), *expected));
        let rows = ROWS.iter().copied().chain(made);
        rows.map(|(name, body, expected)| case(name, self.post(body), expected))
            .collect()
    }
}
