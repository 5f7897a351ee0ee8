//! The shortener, seen from outside its process.

pub(crate) mod crash;
mod durability;
mod fuzzed;
mod hostile;
mod trace;
