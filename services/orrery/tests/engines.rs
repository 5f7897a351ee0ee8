//! The roles as separate processes on real engines, seen from outside.

pub(crate) mod client;
pub(crate) mod fleet;
mod killed;
mod readme;
mod serve;
