//! Extractors whose refusals are problems.

mod authenticated;
mod json;
mod no_query;
mod path;
mod query;

pub use authenticated::{Authenticated, NotBearer, bearer_token};
pub use json::Json;
pub use no_query::NoQuery;
pub use path::Path;
pub use query::Query;
