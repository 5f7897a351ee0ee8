#![doc = include_str!("../README.md")]

mod address;
mod connection;
mod error;
mod exchange;
mod resolve;
mod settings;
mod target;

pub use address::{AddressKind, judge};
pub use connection::Trust;
pub use error::OutboundError;
pub use exchange::{Answer, Outbound};
pub use resolve::{Resolve, SystemResolver};
pub use settings::OutboundSettings;
pub use target::{RefusedUrl, Target, URL_BYTES_MAX};
