#![doc = include_str!("../README.md")]

mod assembly;
pub mod chain;
mod config;
mod engines;
mod error;
mod http;
mod labs;
pub mod ledger;
mod metrics;
mod migrate;
mod operations;
mod pages;
pub mod payment;
pub mod processor;
pub mod protocol;
pub mod reconciliation;
pub mod store;
pub mod vault;
mod vault_chores;
pub mod verify;
mod workers;

pub use assembly::{RunError, check, run, run_with_keys};
pub use config::{SettingError, Settings};
pub use engines::open_log;
pub use http::openapi;
pub use labs::labs;
pub use metrics::describe_metrics;
pub use migrate::{contract, migrate};
pub use store::vault::Traces;
pub use vault_chores::{Erased, VaultChores};

/// What this service promises, in OpenSLO: everything that watches it is made of this.
pub const OBJECTIVES: &str = include_str!("../slo.yaml");
