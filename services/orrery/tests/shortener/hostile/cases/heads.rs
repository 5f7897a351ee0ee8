//! Headers, and heads that are none.

use super::{Case, Expected, Table, case};
use Expected::{Bare, Closed, Problem};

const NO_TOKEN: Expected = Problem(401, "unauthenticated");
const BAD_HOST: Expected = Problem(400, "malformed_host");
const BAD_KEY: Expected = Problem(400, "idempotency_key_malformed");

/// Instead of a good token. The third is `{"alg":"none","kid":"k"}` over `{}`, unsigned.
const CREDENTIALS: &[(&str, &str)] = &[
    ("no token", ""),
    ("a password", "authorization: Basic YWRhOnNlY3JldA==\r\n"),
    (
        "an unsigned token",
        "authorization: Bearer eyJhbGciOiJub25lIiwia2lkIjoiayJ9.e30.\r\n",
    ),
    ("no token behind the word", "authorization: Bearer \r\n"),
    (
        "a token in the query's style",
        "authorization: access_token=abc\r\n",
    ),
];

/// Beside a good token and Host.
const HEADERS: &[(&str, &str, Expected)] = &[
    ("an empty idempotency key", "idempotency-key: ", BAD_KEY),
    (
        "two idempotency keys",
        "idempotency-key: a\r\nidempotency-key: b",
        BAD_KEY,
    ),
    (
        "an idempotency key that is not ASCII",
        "idempotency-key: ä",
        BAD_KEY,
    ),
    (
        "a connection that hides the token",
        "connection: authorization",
        Problem(400, "malformed_connection_header"),
    ),
    (
        "no time left",
        "orrery-deadline-ms: 0",
        Problem(504, "deadline_exceeded"),
    ),
    ("a folded header", "x-a: b\r\n c", Bare(400)),
    ("a blank before the colon", "x-a : b", Bare(400)),
    ("a NUL in a header", "x-a: b\0c", Bare(400)),
];

/// What is no request.
const HEADS: &[(&str, &[u8], Expected)] = &[
    (
        "a head that stops",
        b"GET /v1/links HTTP/1.1\r\nhost: a\r\n",
        Closed,
    ),
    (
        "TLS on a plain port",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        Bare(400),
    ),
    ("HTTP/9.9", b"GET / HTTP/9.9\r\nhost: a\r\n\r\n", Bare(400)),
    (
        "a blank in the target",
        b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        Bare(400),
    ),
];

/// A request that would make a link, were it not for its headers.
fn post(headers: &str) -> String {
    let body = r#"{"url":"https://e.com/"}"#;
    let length = body.len();
    let framing = format!("content-type: application/json\r\ncontent-length: {length}");
    format!("POST /v1/links HTTP/1.1\r\n{headers}{framing}\r\n\r\n{body}")
}

impl Table {
    pub(super) fn credentials(&self, reader: &str) -> Vec<Case> {
        let auth = &self.auth;
        let by = |credentials: &str| post(&format!("host: a\r\n{credentials}"));
        let long = format!("authorization: Bearer {}\r\n", "a".repeat(9_000));
        let rows = CREDENTIALS.iter().copied();
        let mut cases: Vec<Case> = rows.map(|(name, sent)| case(name, by(sent), NO_TOKEN)).collect();
        cases.extend([
            case("a token of 9 kB", by(&long), NO_TOKEN),
            case("two tokens", by(&format!("{auth}{auth}")), NO_TOKEN),
            case(
                "a token that may only read",
                by(&format!("authorization: Bearer {reader}\r\n")),
                Problem(403, "insufficient_scope"),
            ),
            case("no host", post(auth), BAD_HOST),
            case(
                "two hosts",
                post(&format!("host: a\r\nhost: b\r\n{auth}")),
                BAD_HOST,
            ),
            case(
                "a host with a path",
                post(&format!("host: a/b\r\n{auth}")),
                BAD_HOST,
            ),
        ]);
        cases
    }

    pub(super) fn headers(&self) -> Vec<Case> {
        let with = |headers: &str| post(&format!("host: a\r\n{}{headers}\r\n", self.auth));
        let long_key = format!("idempotency-key: {}", "k".repeat(256));
        let flood = ["x-a: b"; 200].join("\r\n");
        let long = format!("x-a: {}", "b".repeat(1_000_000));
        let made = [
            ("an idempotency key too long", long_key.as_str(), BAD_KEY),
            ("200 headers", &flood, Bare(431)),
            ("a header of 1 MB", &long, Bare(431)),
        ];
        let rows = HEADERS.iter().copied().chain(made);
        rows.map(|(name, headers, expected)| case(name, with(headers), expected))
            .collect()
    }

    #[expect(clippy::unused_self, reason = "a column of the table like the others")]
    pub(super) fn heads(&self) -> Vec<Case> {
        HEADS
            .iter()
            .map(|(name, head, expected)| case(*name, *head, *expected))
            .collect()
    }
}
