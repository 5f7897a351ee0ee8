//! The shortener, seen from outside its process.

mod crash;
mod durability;
mod fuzzed;
mod hostile;
mod trace;
