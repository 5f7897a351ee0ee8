//! Tests that start, stop or kill the platform's process: here the binary's path is known.
//!
//! One binary for all of them; a folder a service, `platform/` for what belongs to the whole.

mod pages;
mod platform;
mod shortener;
