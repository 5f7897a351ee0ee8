//! Who leads: named duties that one process does at a time, recorded in the database whose writes they guard.

mod calls;
mod duty;
mod error;
mod leader;
mod metrics;
mod postgres;
mod sqlite;
mod store;

pub use duty::{Duty, DutyFailed, Pace};
pub use error::LeadershipError;
pub use leader::{Leader, LeaderSettings};
pub use metrics::describe_leader_metrics;
pub use postgres::{LEADERSHIP_POSTGRES, PostgresLeaderships, guard_postgres};
pub use sqlite::{LEADERSHIP_SQLITE, SqliteLeaderships, guard_sqlite};
pub use store::{LEADERSHIP_MS_MAX, Leadership, LeadershipStore};
