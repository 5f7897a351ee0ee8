//! The shortener, seen from outside its process.

mod crash;
mod durability;
mod hostile;
mod trace;
