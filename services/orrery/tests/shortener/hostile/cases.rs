//! The table of what strangers send.

mod bodies;
mod features;
mod fields;
mod heads;
mod transport;

/// What a case must be answered with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// A problem with this status and code.
    Problem(u16, &'static str),
    /// This status without a problem: hyper's own, for what was no request yet.
    Bare(u16),
    /// Nothing: the connection is closed.
    Closed,
}

pub(super) struct Case {
    pub(super) name: String,
    pub(super) request: Vec<u8>,
    pub(super) expected: Expected,
}

const MALFORMED: Expected = Expected::Problem(400, "malformed_json");
const INVALID: Expected = Expected::Problem(422, "invalid_request");

/// All cases, for a token that may do everything, one that may only read, and the gateway's port.
pub(super) fn cases(token: &str, reader: &str, port: u16) -> Vec<Case> {
    let table = Table {
        auth: format!("authorization: Bearer {token}\r\n"),
    };
    [
        table.bodies(),
        table.fields(),
        table.features(),
        table.urls(port),
        table.framing(),
        table.media_types(),
        table.paths(),
        table.methods_and_queries(),
        table.credentials(reader),
        table.headers(),
        table.heads(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Table {
    auth: String,
}

fn case(name: impl Into<String>, request: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case {
        name: name.into(),
        request: request.into(),
        expected,
    }
}

impl Table {
    /// A request with a good token and a Host, and these further headers (each ended by CRLF) and body.
    fn ask(&self, line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let auth = &self.auth;
        let head = format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\n{auth}{headers}\r\n");
        [head.as_bytes(), body].concat()
    }

    fn post(&self, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let headers = format!("content-type: application/json\r\ncontent-length: {length}\r\n");
        self.ask("POST /v1/links", &headers, body)
    }
}
