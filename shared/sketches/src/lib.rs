#![doc = include_str!("../README.md")]

mod bytes;
mod count_min;
mod error;
mod estimate;
mod hyper_log_log;
mod mix;
mod top;

pub use count_min::CountMin;
pub use error::SketchError;
pub use hyper_log_log::{HyperLogLog, PRECISION, REGISTERS};
pub use mix::mix64;
pub use top::{Ranked, Top};
