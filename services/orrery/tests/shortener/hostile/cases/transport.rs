//! Bodies that do not come as they should, and targets that lead where nobody may go.

use super::{Case, Expected, INVALID, Table, case};
use Expected::{Bare, Problem};

const GOOD: &[u8] = br#"{"url":"https://e.com/"}"#;
const TOO_LARGE: Expected = Problem(413, "payload_too_large");
const TOO_SLOW: Expected = Problem(408, "request_timeout");
const BROKEN: Expected = Problem(400, "incomplete_body");
const BAD_PATH: Expected = Problem(400, "malformed_path");
const NOT_FOUND: Expected = Problem(404, "not_found");
const NOT_ALLOWED: Expected = Problem(405, "method_not_allowed");

/// Name, framing header, body.
const FRAMING: &[(&str, &str, &[u8], Expected)] = &[
    ("a body that stops", "content-length: 99", br#"{"url"#, TOO_SLOW),
    (
        "chunks that stop",
        "transfer-encoding: chunked",
        b"5\r\n{\"url\r\n",
        TOO_SLOW,
    ),
    (
        "a chunk of size zz",
        "transfer-encoding: chunked",
        b"zz\r\n{}",
        BROKEN,
    ),
    (
        "a chunk size beyond numbers",
        "transfer-encoding: chunked",
        b"fffffffffffffffff\r\n{}",
        BROKEN,
    ),
    (
        "8 EB that never come",
        "expect: 100-continue\r\ncontent-length: 9223372036854775807",
        b"",
        TOO_LARGE,
    ),
    (
        "two lengths",
        "content-length: 2\r\ncontent-length: 3",
        b"{}x",
        Bare(400),
    ),
    ("a negative length", "content-length: -1", b"", Bare(400)),
    ("an unknown coding", "transfer-encoding: gzip", GOOD, Bare(400)),
];

/// Only JSON that says so is read: a page of any other site could send the others without asking.
const MEDIA_TYPES: &[&str] = &[
    "",
    "content-type: text/xml\r\n",
    "content-type: text/plain\r\n",
    "content-type: application/x-www-form-urlencoded\r\n",
    "content-type: multipart/form-data; boundary=b\r\n",
];

/// The first could be read in two ways, the others lead nowhere.
const PATHS: &[(&str, Expected)] = &[
    ("/v1/links/%ff", BAD_PATH),
    ("/v1/links/%c0%ae%c0%ae", BAD_PATH),
    ("/v1/links/%zz", BAD_PATH),
    ("/v1/links/%2", BAD_PATH),
    ("/v1/links/..%2f..%2fmetrics", BAD_PATH),
    ("/v1/links/../../metrics", BAD_PATH),
    ("/v1/links/%2e%2e/metrics", BAD_PATH),
    ("/v1/links//abc", BAD_PATH),
    ("/v1/links/a%00b", BAD_PATH),
    ("/v1/links/a%0d%0aset-cookie:%20a=b", BAD_PATH),
    ("/v1/links/a%5cb", BAD_PATH),
    ("/v1/links/nobody-has-this", NOT_FOUND),
    ("/v1/links/'%20OR%201=1--", NOT_FOUND),
    ("/metrics", NOT_FOUND),
    ("/%6detrics", NOT_FOUND),
    ("/readyz", NOT_FOUND),
    ("/%ff", NOT_FOUND),
    ("/a%2fb", NOT_FOUND),
    ("/%252e%252e%252fmetrics", NOT_FOUND),
    ("/.git/config", NOT_FOUND),
    ("/v2/links", NOT_FOUND),
];

const LINES: &[(&str, Expected)] = &[
    ("PUT /v1/links", NOT_ALLOWED),
    ("DELETE /v1/links", NOT_ALLOWED),
    ("BREW /v1/links", NOT_ALLOWED),
    ("TRACE /v1/links", NOT_ALLOWED),
    ("OPTIONS /v1/links", NOT_ALLOWED),
    ("DELETE /some-code", NOT_ALLOWED),
    ("OPTIONS *", NOT_ALLOWED),
    ("CONNECT e.com:443", NOT_ALLOWED),
    ("GET /v1/links?limit=0", INVALID),
    ("GET /v1/links?limit=-1", INVALID),
    ("GET /v1/links?limit=1e3", INVALID),
    ("GET /v1/links?limit=99999999999999999999", INVALID),
    ("GET /v1/links?limit=1&limit=2", INVALID),
    ("GET /v1/links?cursor=%27%20OR%201=1", INVALID),
    ("GET /v1/links?cursor=", INVALID),
];

impl Table {
    pub(super) fn framing(&self) -> Vec<Case> {
        let post = |framing: &str, body: &[u8]| {
            self.ask(
                "POST /v1/links",
                &format!("content-type: application/json\r\n{framing}\r\n"),
                body,
            )
        };
        let large = format!(r#"{{"url":"https://e.com/{}"}}"#, "a".repeat(100_000));
        let chunks = format!("{0:x}\r\n{large}\r\n0\r\n\r\n", large.len());
        let mut cases = vec![
            case("100 kB", self.post(large.as_bytes()), TOO_LARGE),
            case(
                "100 kB in a chunk",
                post("transfer-encoding: chunked", chunks.as_bytes()),
                TOO_LARGE,
            ),
        ];
        let rows = FRAMING.iter();
        cases.extend(rows.map(|(name, framing, body, expected)| case(*name, post(framing, body), *expected)));
        cases
    }

    pub(super) fn media_types(&self) -> Vec<Case> {
        let refused = Problem(415, "unsupported_media_type");
        let ask = |kind: &str| {
            let headers = format!("{kind}content-length: {}\r\n", GOOD.len());
            self.ask("POST /v1/links", &headers, GOOD)
        };
        MEDIA_TYPES
            .iter()
            .map(|kind| case(format!("as {kind:?}"), ask(kind), refused))
            .collect()
    }

    pub(super) fn paths(&self) -> Vec<Case> {
        let long = format!("/{}", "a".repeat(8_000));
        let rows = PATHS.iter().copied().chain([(long.as_str(), NOT_FOUND)]);
        rows.map(|(path, expected)| case(path, self.ask(&format!("GET {path}"), "", b""), expected))
            .collect()
    }

    pub(super) fn methods_and_queries(&self) -> Vec<Case> {
        LINES
            .iter()
            .map(|(line, expected)| case(*line, self.ask(line, "", b""), *expected))
            .collect()
    }
}
