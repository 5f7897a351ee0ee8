#![doc = include_str!("../README.md")]

mod error;
mod ids;
mod leadership;
mod metrics;
mod nats;
mod open;
mod settings;
mod slots;
mod sqlite;
mod store;
mod worker;

pub use crate::error::LeaseError;
pub use crate::ids::LeasedIds;
pub use crate::leadership::{
    Duty, DutyFailed, LEADERSHIP_MS_MAX, LEADERSHIP_POSTGRES, LEADERSHIP_SQLITE, Leader, LeaderSettings,
    Leadership, LeadershipError, LeadershipStore, Pace, PostgresLeaderships, SqliteLeaderships,
    describe_leader_metrics, guard_postgres, guard_sqlite,
};
pub use crate::metrics::describe_metrics;
pub use crate::nats::NatsLeaseStore;
pub use crate::open::open;
pub use crate::settings::LeaseSettings;
pub use crate::sqlite::SqliteLeaseStore;
pub use crate::store::{Grant, LeaseStore, SLOTS};
pub use crate::worker::WorkerLease;

resilience::engine_errors![LeaseError];
