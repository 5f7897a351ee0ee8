//! Gates, passwords, previews, pictures and numbers: what has been asked for of them that makes no sense, or worse.

use super::{Case, Expected, INVALID, Table, case};

/// Beside a good URL.
const PARTS: &[(&str, &str)] = &[
    ("a cap of nothing", r#""max_clicks":0"#),
    ("a cap below nothing", r#""max_clicks":-1"#),
    ("a cap of half a click", r#""max_clicks":1.5"#),
    ("a cap beyond numbers", r#""max_clicks":18446744073709551616"#),
    ("a cap on what caches keep", r#""max_clicks":1,"permanent":true"#),
    ("a cap behind an edge", r#""max_clicks":1,"edge_cache_s":60"#),
    ("a password of nothing", r#""password":"""#),
    ("a password that is a number", r#""password":1234567"#),
    (
        "a hash for a password",
        r#""password_hash":"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA""#,
    ),
    (
        "a password behind an edge",
        r#""password":"open sesame","edge_cache_s":60"#,
    ),
    (
        "a fallback that is a script",
        r#""max_clicks":1,"fallback_url":"javascript:alert(1)""#,
    ),
    (
        "a fallback with a line break",
        r#""max_clicks":1,"fallback_url":"https://e.com/\r\nx: y""#,
    ),
    ("a fallback from nothing", r#""fallback_url":"https://e.com/""#),
    ("a beginning that is no moment", r#""active_from":"0""#),
    (
        "a beginning after the end",
        r#""active_from":"2090-01-01T00:00:00Z","expires_at":"2089-01-01T00:00:00Z""#,
    ),
    (
        "destinations that are one",
        r#""destinations":{"url":"https://e.com/"}"#,
    ),
    (
        "a destination that is a script",
        r#""destinations":[{"weight":1,"url":"javascript:alert(1)"}]"#,
    ),
    (
        "a destination with credentials",
        r#""destinations":[{"weight":1,"url":"https://a:b@e.com/"}]"#,
    ),
    (
        "a country of three letters",
        r#""destinations":[{"countries":["DEU"],"url":"https://e.com/"}]"#,
    ),
    (
        "a device that nobody has",
        r#""destinations":[{"devices":["toaster"],"url":"https://e.com/"}]"#,
    ),
    (
        "a weight below nothing",
        r#""destinations":[{"weight":-1,"url":"https://e.com/"}]"#,
    ),
    ("a title with NUL", r#""title":"\u0000""#),
    ("a title that turns around", r#""title":["x"]"#),
    ("another owner", r#""owner":"bob""#),
    ("clicks of one's own", r#""clicks":1000000"#),
    ("an archive that is a word", r#""archived":"yes""#),
];

const NOT_FOUND: Expected = Expected::Problem(404, "not_found");
const WRONG: Expected = Expected::Problem(401, "password_wrong");

impl Table {
    pub(super) fn features(&self) -> Vec<Case> {
        let title = format!(r#""title":"{}""#, "t".repeat(10_000));
        let password = format!(r#""password":"{}""#, "p".repeat(10_000));
        let destinations = format!(
            r#""destinations":[{}]"#,
            vec![r#"{"weight":1,"url":"https://e.com/"}"#; 500].join(",")
        );
        let long = [
            ("a title of 10,000 characters", title.as_str()),
            ("a password of 10,000 characters", &password),
            ("500 destinations", &destinations),
        ];
        let rows = PARTS.iter().copied().chain(long);
        let parts = rows.map(|(name, more)| {
            let body = format!(r#"{{"url":"https://e.com/",{more}}}"#);
            case(name, self.post(body.as_bytes()), INVALID)
        });
        parts.chain(self.passwords()).chain(self.looks()).collect()
    }

    /// Of links that are not there: what is answered is what a wrong password of one that is would be.
    fn passwords(&self) -> Vec<Case> {
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let send = |kind: &str, body: &[u8]| {
            let headers = format!("{kind}content-length: {}\r\n", body.len());
            self.ask("POST /nobody-has-this", &headers, body)
        };
        let large = [b"password=".as_slice(), &vec![b'p'; 60_000]].concat();
        let tried = |name: &str, headers: &str| {
            let request = self.ask("GET /nobody-has-this-either", headers, b"");
            case(name, request, WRONG)
        };
        vec![
            case("a password of nobody's link", send(form, b"password=open"), WRONG),
            case("a form without a password", send(form, b"pass=word"), INVALID),
            case("a password twice", send(form, b"password=a&password=b"), INVALID),
            case(
                "a password in JSON",
                send("content-type: application/json\r\n", br#"{"password":"x"}"#),
                Expected::Problem(415, "unsupported_media_type"),
            ),
            case("a password of 60 kB", send(form, &large), WRONG),
            tried("a password in a header", "link-password: open\r\n"),
            tried("a password that is no text", "link-password: \u{fe}\u{ff}\r\n"),
        ]
    }

    fn looks(&self) -> Vec<Case> {
        let get = |name: &str, path: &str, expected| {
            case(name, self.ask(&format!("GET {path}"), "", b""), expected)
        };
        vec![
            get("a preview of nothing", "/nothing-here+", NOT_FOUND),
            get("a preview of a preview", "/nothing-here++", NOT_FOUND),
            get("a preview of a script", "/%3Cscript%3E+", NOT_FOUND),
            get("a picture of nothing", "/v1/links/nothing-here/qr", NOT_FOUND),
            get(
                "a picture beside its folder",
                "/v1/links/..%2f..%2fx/qr",
                Expected::Problem(400, "malformed_path"),
            ),
        ]
    }
}
