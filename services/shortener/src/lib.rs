#![doc = include_str!("../README.md")]

mod attempts;
mod clicks;
pub mod codes;
mod config;
mod engines;
mod error;
mod http;
mod key;
mod labs;
pub mod link;
mod metrics;
mod operations;
mod passwords;
pub mod permutation;
mod qr;
pub mod statistics;
pub mod store;
pub mod visit;
mod workers;

mod assembly;
mod migrate;
mod pages;

pub use assembly::{RunError, check, run, run_with_keys};
pub use clicks::{LinkVisits, VISIT_LANES, VISITS, VISITS_KIND, VisitEvent};
pub use config::{SettingError, Settings};
pub use engines::open_log;
pub use http::openapi;
pub use key::KeyError;
pub use labs::labs;
pub use metrics::describe_metrics;
pub use migrate::{contract, migrate};

/// What this service promises, in OpenSLO: everything that watches it is made of this.
pub const OBJECTIVES: &str = include_str!("../slo.yaml");
