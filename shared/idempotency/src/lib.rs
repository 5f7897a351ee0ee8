#![doc = include_str!("../README.md")]

mod error;
mod fingerprint;
mod in_flight;
mod key;
mod outcome;
mod settings;

pub use error::{IdempotencyError, RunError};
pub use fingerprint::Fingerprint;
pub use in_flight::InFlight;
pub use key::IdempotencyKey;
pub use outcome::{Idempotent, Outcome};
pub use settings::IdempotencySettings;

/// The shortest time for which a record is kept: 24 hours, in milliseconds.
pub const RECORD_TTL_MS_MIN: u64 = 24 * 60 * 60 * 1_000;
