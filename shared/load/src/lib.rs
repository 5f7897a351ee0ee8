#![doc = include_str!("../README.md")]

mod arrivals;
mod error;
mod http_client;
mod keys;
mod latencies;
mod open_loop;
pub mod profile;
mod recorder;

pub use arrivals::{Arrivals, Schedule};
pub use error::LoadError;
pub use http_client::{Answer, HttpClient, HttpSettings};
pub use keys::{Zipf, draw};
pub use latencies::Latencies;
pub use open_loop::{Arrival, Plan, Summary, run};
pub use recorder::{Recorder, Started};
