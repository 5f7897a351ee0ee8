#![doc = include_str!("../README.md")]

pub mod clicks;
pub mod codes;
pub mod config;
pub mod error;
pub mod http;
pub mod key;
pub mod link;
pub mod metrics;
pub mod operations;
pub mod permutation;
pub mod store;
pub mod workers;

mod assembly;
mod migrate;
mod pages;

pub use assembly::{RunError, run, run_with_keys};
pub use config::Settings;
pub use http::openapi;
pub use migrate::migrate;
pub use store::sqlite::MIGRATIONS;
