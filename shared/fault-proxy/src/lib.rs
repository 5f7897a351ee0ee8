#![doc = include_str!("../README.md")]

mod ports;
mod proxy;

pub use ports::PortBlock;
pub use proxy::FaultProxy;
