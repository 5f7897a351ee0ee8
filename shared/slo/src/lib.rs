#![doc = include_str!("../README.md")]

mod alert;
mod error;
mod evaluator;
pub mod exposition;
pub mod generate;
mod objective;
mod openslo;
mod policy;
mod selector;

pub use alert::{Alert, alert_name};
pub use error::SloError;
pub use evaluator::{Evaluator, SERIES_MAX};
pub use objective::{Objective, ServiceObjectives};
pub use policy::{BurnWindow, Policy, Severity};
pub use selector::{MatchOperator, Matcher, Selector};
