//! One file a command; `up` and `serve` are `platform.rs`.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod generate;
pub(crate) mod migrate;
pub(crate) mod token;
