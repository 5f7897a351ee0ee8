//! The server over real sockets: limits, slow clients, drains, readiness, owned writes.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose scene cannot be set fails, loudly and here"
)]

mod authenticated;
mod direct;
mod drain;
mod harness;
mod limits;
mod owned;
mod problems;
mod readiness;
mod request;
mod slow_answers;
