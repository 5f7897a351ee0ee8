#![doc = include_str!("../README.md")]

mod error;
mod generator;
mod id;
mod refusals;
mod wait;

pub use error::IdError;
pub use generator::{BACK_STEP_MS_MAX, IdGenerator, IdLease};
pub use id::{EPOCH_MS, Id, ParseIdError, SEQUENCE_MAX, WORKER_MAX};
pub use refusals::RefusalCounts;
