#![doc = include_str!("../README.md")]

mod catalog;
mod error;
mod kind;
mod layers;
mod nearest;
mod schema;
mod secret;

pub use catalog::{Catalog, CatalogError, Setting};
pub use error::{ConfigError, Mistake};
pub use kind::Kind;
pub use layers::{Effective, Layers, Loaded, Origin};
pub use secret::{MASK, Secret};

/// What every environment variable that is a setting begins with.
pub const ENV_PREFIX: &str = "ORRERY_";
