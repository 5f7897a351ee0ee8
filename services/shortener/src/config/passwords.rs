//! Settings of links' passwords.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How link passwords are hashed, and how often one may be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordSettings {
    /// Memory that hashing one password takes, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Passwords hashed or checked at the same time.
    pub at_once_max: u32,
    /// Passwords that may wait for their turn; further ones are refused with 503.
    pub waiting_max: u32,
    /// Shortest password, in characters.
    pub chars_min: usize,
    /// Longest password, in bytes.
    pub bytes_max: usize,
    /// Tries that a client has at one link's password at once; afterwards one at a time comes back.
    pub tries_max: u32,
    /// How long it takes until a client has one more try, in milliseconds.
    pub try_again_ms: u64,
    /// Clients and links in debt that are remembered at once; beyond that, nobody new may try until one has recovered.
    pub clients_max: usize,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            // What OWASP's password storage cheat sheet asks for.
            memory_kib: 19 * 1_024,
            passes: 2,
            at_once_max: 2,
            waiting_max: 32,
            chars_min: 4,
            bytes_max: 128,
            tries_max: 5,
            try_again_ms: 20_000,
            clients_max: 10_000,
        }
    }
}
