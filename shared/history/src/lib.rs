#![doc = include_str!("../README.md")]

pub mod ledger;
pub mod linearizable;
mod record;
pub mod redirects;
mod report;
mod wishes;

pub use record::{HistoryError, Kind, Operation, Outcome, Writer, read};
pub use report::{Report, Verdict, Violation};
