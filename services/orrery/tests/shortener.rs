//! The shortener, seen from outside its process.

mod durability;
