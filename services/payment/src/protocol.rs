//! Protocols as pure state machines: no clock, no socket, no store.

pub mod saga;
