//! Tests that start, stop or kill the platform's process: here the binary's path is known.
//!
//! One binary for all of them; a folder a service, `platform/` for what belongs to the whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod drills;
mod engines;
mod pages;
mod payment;
mod platform;
mod shortener;
mod turn;
