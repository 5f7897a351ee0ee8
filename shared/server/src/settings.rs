//! What an operator may tune about a listener.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and waits of a role's HTTP server; the same names in every role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The largest request body, in bytes; a larger one is answered 413.
    pub body_bytes_max: usize,
    /// The largest request head (request line and headers together), in bytes; a larger one is answered 431. It is looked at as the head arrives, a read at a time.
    pub header_bytes_max: usize,
    /// The most request headers; more are answered 431.
    pub headers_max: usize,
    /// The most requests in work at once; more are answered 503 with Retry-After.
    pub concurrency_max: usize,
    /// The most open connections; further ones wait in the system's backlog.
    pub connections_max: usize,
    /// How long a connection may wait for a complete request head, or for a reader that reads nothing, before it is closed; it is closed before one and a half times this.
    pub header_read_timeout_ms: u64,
    /// How long a request body may take to arrive; a slower one is answered 408.
    pub body_read_timeout_ms: u64,
    /// The time a request gets when its caller sent no deadline.
    pub request_deadline_ms_default: u64,
    /// The most time a caller may ask for.
    pub request_deadline_ms_max: u64,
    /// How long `/readyz` says 503 before the listener closes, so that load balancers look away first.
    pub drain_notice_ms: u64,
    /// How long requests and writes in flight may take after the listener has closed; then they are cut.
    pub drain_deadline_ms: u64,
}

/// Paths that take larger bodies than the others: what carries many things at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargeBodies {
    /// The paths, spelled as in a request line.
    pub paths: &'static [&'static str],
    /// The largest body there, in bytes; a smaller number than `body_bytes_max` holds too.
    pub bytes_max: usize,
}

impl LargeBodies {
    pub(crate) fn bytes_max(&self, path: &str) -> Option<usize> {
        self.paths.contains(&path).then_some(self.bytes_max)
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 * 1024,
            header_bytes_max: 16 * 1024,
            headers_max: 100,
            concurrency_max: 1_024,
            connections_max: 4_096,
            header_read_timeout_ms: 10_000,
            body_read_timeout_ms: 5_000,
            request_deadline_ms_default: 10_000,
            request_deadline_ms_max: 60_000,
            drain_notice_ms: 500,
            drain_deadline_ms: 10_000,
        }
    }
}

impl ServerSettings {
    pub(crate) fn header_read_timeout(&self) -> Duration {
        Duration::from_millis(self.header_read_timeout_ms.max(1))
    }

    pub(crate) fn body_read_timeout(&self) -> Duration {
        Duration::from_millis(self.body_read_timeout_ms)
    }

    pub(crate) fn deadline_default(&self) -> Duration {
        Duration::from_millis(self.request_deadline_ms_default)
    }

    pub(crate) fn deadline_max(&self) -> Duration {
        Duration::from_millis(self.request_deadline_ms_max)
    }

    pub(crate) fn drain_notice(&self) -> Duration {
        Duration::from_millis(self.drain_notice_ms)
    }

    pub(crate) fn drain_deadline(&self) -> Duration {
        Duration::from_millis(self.drain_deadline_ms)
    }
}
