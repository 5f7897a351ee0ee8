//! The test tools themselves.

mod browser;
mod engines;
mod watchers;
