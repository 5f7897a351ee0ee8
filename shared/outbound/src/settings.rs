//! What an operator may tune about calls to strangers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where calls to strangers may go, and their bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutboundSettings {
    /// For development alone: opens `http` and `https` to this machine's loopback addresses, on any port.
    pub open_loopback: bool,
    /// The ports that may be called by `https`.
    pub ports: Vec<u16>,
    /// How long the addresses of a host are waited for.
    pub resolve_timeout_ms: u64,
    /// The most look-ups under way, those included that nobody waits for any more.
    pub lookups_max: usize,
    /// The most addresses of a host: one that has more is not called.
    pub addresses_max: usize,
    /// How long each address of a host gets to accept a connection.
    pub connect_timeout_ms: u64,
    /// How long an exchange may take from resolving the host to the answer's head.
    pub total_timeout_ms: u64,
    /// How long the answer's body is waited for after its head.
    pub body_wait_ms: u64,
    /// How much of the answer's body is read.
    pub body_bytes_max: usize,
    /// The most headers of an answer.
    pub headers_max: usize,
    /// The largest head of an answer, in bytes; at least 8192.
    pub head_bytes_max: usize,
    /// The most exchanges in flight; more are refused as saturated.
    pub exchanges_max: usize,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            open_loopback: false,
            ports: vec![443, 8443],
            resolve_timeout_ms: 3_000,
            lookups_max: 64,
            addresses_max: 32,
            connect_timeout_ms: 3_000,
            total_timeout_ms: 15_000,
            body_wait_ms: 1_000,
            body_bytes_max: 4 * 1_024,
            headers_max: 64,
            head_bytes_max: 16 * 1_024,
            exchanges_max: 256,
        }
    }
}
