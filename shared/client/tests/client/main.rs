//! The client against peers that answer, stall, break and lie.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose scene cannot be set fails, loudly and here"
)]

mod exchange;
mod keys;
mod peer;
