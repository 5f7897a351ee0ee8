//! What tests need and nothing else may use: a platform process, an OTLP receiver, a browser.

pub mod browser;
pub mod http;
pub mod otlp;
pub mod platform;
pub mod skips;
