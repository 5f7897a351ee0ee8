//! What tests need and nothing else may use: a platform process, engines and faults before them, Prometheus and
//! Alertmanager, an OTLP receiver, a webhook, a browser.

pub mod browser;
pub mod cql_wire;
pub mod engines;
pub mod http;
pub mod otlp;
pub mod platform;
#[cfg(feature = "service")]
pub mod service;
pub mod skips;
pub mod watchers;
pub mod webhook;

pub use fault_proxy as proxy;
