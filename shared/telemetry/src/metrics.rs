//! Metrics: families whose label handles are found without allocating, the RED metrics of a server, and the scrape.

mod cardinality;
mod family;
mod http;
mod operations;
mod process;
mod registry;
mod scrape;

pub use cardinality::{Cardinality, OTHER};
pub use family::{Counts, Durations};
pub use http::{HttpMetrics, InFlight};
pub use operations::{Operation, Operations};
pub use registry::{MetricDescription, MetricKind, Registry};

pub(crate) use process::{register_export, register_process};
pub(crate) use scrape::encode;
