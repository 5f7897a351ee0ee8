//! What payment must remember, and where: one database, PostgreSQL or SQLite, behind a port for each concern.

pub mod feed;
pub mod ledger;
pub mod payments;
pub mod receipts;
pub mod reconciliation;
pub mod vault;
pub mod webhooks;

mod database;
mod error;

pub use database::{Database, OpenError};
pub use error::StoreError;
