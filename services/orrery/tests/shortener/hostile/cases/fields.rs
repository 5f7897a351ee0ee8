//! Well-formed objects whose fields are not acceptable.

use super::{Case, INVALID, Table, case};

/// Beside a good URL.
const FIELDS: &[(&str, &str)] = &[
    ("an unknown field", r#""admin":true"#),
    ("a field of another spelling", r#""Alias":"spring-sale""#),
    ("a prototype", r#""__proto__":{"permanent":true}"#),
    ("a field twice", r#""url":"https://other.example/""#),
    ("an id of one's own", r#""id":"1""#),
    ("another tenant", r#""tenant":"other""#),
    ("a flag that is a word", r#""permanent":"yes""#),
    ("tags that are an object", r#""tags":{}"#),
    ("a tag that is a number", r#""tags":[1]"#),
    ("a tag with a line break", r#""tags":["a\r\nset-cookie: a=b"]"#),
    ("an alias with a slash", r#""alias":"../../etc""#),
    ("an alias with CRLF", r#""alias":"abc\r\nx: y""#),
    ("an alias with NUL", r#""alias":"abc\u0000""#),
    ("an alias in look-alikes", r#""alias":"аdmin-pаge""#),
    ("an alias in percent signs", r#""alias":"a%2fb""#),
    ("an empty alias", r#""alias":"""#),
    ("a reserved alias", r#""alias":"metrics""#),
    ("a reserved alias in capitals", r#""alias":"OAuth2""#),
    ("an alias like a generated code", r#""alias":"4kT9xQz""#),
    ("SQL for an alias", r#""alias":"x'; DROP TABLE links;--""#),
    ("an expiry that is no moment", r#""expires_at":"tomorrow""#),
    ("an expiry that is a number", r#""expires_at":1893456000"#),
    (
        "an expiry that has passed",
        r#""expires_at":"2020-01-01T00:00:00Z""#,
    ),
    (
        "an expiry in the year 9999",
        r#""expires_at":"9999-12-31T23:59:59Z""#,
    ),
    (
        "an expiry on February 30",
        r#""expires_at":"2030-02-30T00:00:00Z""#,
    ),
    (
        "permanent with an expiry",
        r#""permanent":true,"expires_at":"2099-01-01T00:00:00Z""#,
    ),
];

/// As the value of `url`, in JSON.
const URLS: &[(&str, &str)] = &[
    ("a URL that is a number", "5"),
    ("a URL that is null", "null"),
    ("a URL that is an object", r#"{"$ne":""}"#),
    ("an empty URL", r#""""#),
    ("a relative URL", r#""/v1/links""#),
    ("a URL without a scheme", r#""e.com""#),
    ("javascript:", r#""javascript:alert(1)""#),
    (
        "javascript: in disguise",
        r#""JaVaScRiPt:alert(1)//https://e.com/""#,
    ),
    ("javascript: behind a tab", r#""java\tscript:alert(1)""#),
    ("data:", r#""data:text/html,<script>alert(1)</script>""#),
    ("file:", r#""file:///etc/passwd""#),
    ("ftp:", r#""ftp://e.com/""#),
    ("vbscript:", r#""vbscript:msgbox(1)""#),
    (
        "CRLF in the URL",
        r#""https://e.com/\r\nset-cookie: session=evil""#,
    ),
    ("NUL in the URL", r#""https://e.com/\u0000""#),
    ("a blank in the URL", r#""https://e.com/ x""#),
    ("backslashes for slashes", r#""https:\\\\e.com""#),
    ("credentials in the URL", r#""https://user:secret@e.com/""#),
    ("an empty user in the URL", r#""https://@e.com/""#),
];

impl Table {
    pub(super) fn fields(&self) -> Vec<Case> {
        let many = format!(r#""tags":[{}]"#, vec![r#""t""#; 10_000].join(","));
        let long_tag = format!(r#""tags":["{}"]"#, "t".repeat(51));
        let long_alias = format!(r#""alias":"{}""#, "a".repeat(65));
        let made = [
            ("10,000 tags", many.as_str()),
            ("a tag too long", &long_tag),
            ("an alias too long", &long_alias),
        ];
        let rows = FIELDS.iter().copied().chain(made);
        rows.map(|(name, more)| {
            let body = format!(r#"{{"url":"https://e.com/",{more}}}"#);
            case(name, self.post(body.as_bytes()), INVALID)
        })
        .collect()
    }

    pub(super) fn urls(&self, port: u16) -> Vec<Case> {
        let long = format!(r#""https://e.com/{}""#, "a".repeat(2_035));
        let own = ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"]
            .map(|host| format!(r#""http://{host}:{port}/""#));
        let made = own.iter().map(|url| (url.as_str(), url.as_str()));
        let rows = URLS
            .iter()
            .copied()
            .chain(made)
            .chain([("a URL too long", long.as_str())]);
        rows.map(|(name, url)| case(name, self.post(format!(r#"{{"url":{url}}}"#).as_bytes()), INVALID))
            .collect()
    }
}
