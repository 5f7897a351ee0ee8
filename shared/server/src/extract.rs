//! Extractors whose refusals are problems.

mod authenticated;
mod json;
mod path;
mod query;

pub use authenticated::{Authenticated, NotBearer, bearer_token};
pub use json::Json;
pub use path::Path;
pub use query::Query;
