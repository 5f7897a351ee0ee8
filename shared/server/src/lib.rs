#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod body;
mod connection;
mod context;
mod drain;
mod edge;
mod error;
mod extract;
mod metrics;
mod moment;
mod owned;
mod phase;
mod readiness;
mod request_id;
mod role;
mod same_origin;
mod settings;
mod watch;
mod workers;

pub use answer::{Forwarded, ShownAs};
pub use context::peer;
pub use drain::Drain;
pub use edge::Direct;
pub use error::ServeError;
pub use extract::{Authenticated, Json, NoQuery, NotBearer, Path, Query, bearer_token};
pub use metrics::describe_metrics;
pub use moment::{parse_moment, show_moment};
pub use owned::owned;
pub use readiness::Readiness;
pub use request_id::{REQUEST_ID_HEADER, RequestId};
pub use role::{Role, Serving};
pub use same_origin::same_origin;
pub use settings::{LargeBodies, ServerSettings};
pub use watch::WorkerWatch;
pub use workers::Workers;
