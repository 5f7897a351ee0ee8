//! The shortener, seen from outside its process.

pub(crate) mod crash;
mod durability;
mod export;
pub(crate) mod fuzzed;
pub(crate) mod hostile;
mod memory;
pub(crate) mod trace;
