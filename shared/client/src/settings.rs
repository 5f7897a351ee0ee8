//! What an operator may tune about calls to other roles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits and waits of a role's HTTP client; the same names in every role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// How long making a connection may take.
    pub connect_timeout_ms: u64,
    /// The time an exchange gets when the work has no deadline of its own: the fetch of the issuer's keys. A request's deadline holds
    /// for what is sent on its behalf.
    pub request_timeout_ms: u64,
    /// The most exchanges in flight; more are refused as saturated.
    pub requests_max: usize,
    /// The most idle connections kept for each peer.
    pub idle_connections_max: usize,
    /// How long an idle connection is kept. Less than the peer's `header_read_timeout_ms`, or a request may meet a connection that is just being closed.
    pub idle_timeout_ms: u64,
    /// The most response headers.
    pub headers_max: usize,
    /// The largest JSON document that is read whole.
    pub response_bytes_max: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 1_000,
            request_timeout_ms: 5_000,
            requests_max: 1_024,
            idle_connections_max: 128,
            idle_timeout_ms: 4_000,
            headers_max: 64,
            response_bytes_max: 1024 * 1024,
        }
    }
}
