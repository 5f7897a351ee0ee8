#![doc = include_str!("../README.md")]

mod batch;
mod conditional;
mod current_row;
mod error;
mod execute;
mod keyspace;
mod lock;
mod migrate;
mod probe;
mod retry;
mod session;
mod settings;
mod split;
mod statement;
mod translate;
mod url;

pub use batch::{Batch, Part};
pub use conditional::Applied;
pub use current_row::{Cell, CurrentRow};
pub use error::WideError;
pub use execute::{Next, Page};
pub use keyspace::Dialect;
pub use migrate::{Kind, Migration};
/// How a row is read into a tuple or a struct of ours, and values are written from one; the derives of the same names go with them.
pub use scylla::deserialize::row::DeserializeRow;
pub use scylla::serialize::row::SerializeRow;
/// One value, where a row of them is put together: a `Vec` of references to such is a row.
pub use scylla::serialize::value::SerializeValue;
pub use session::Wide;
pub use settings::WideSettings;
pub use statement::{Level, Serial, Statement};
pub use url::UrlError;

resilience::connections![Wide: true];
resilience::engine_errors![WideError];
