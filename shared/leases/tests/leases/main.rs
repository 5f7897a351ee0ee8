//! The lease's promises: on the store as a port, and end to end with generators, restarts and clock steps.

mod contract;
mod engines;
mod faults;
mod leadership;
mod worker;

use clock::{ManualClock, SharedClock, SystemClock};
use leases::SqliteLeaseStore;
use sql::{Sqlite, SqliteSettings};
use std::path::Path;
use telemetry::{Telemetry, TelemetrySettings};

/// A noon in 2027.
const NOON: u64 = 1_800_000_000_000;

fn telemetry() -> Telemetry {
    let settings = TelemetrySettings::default();
    Telemetry::new("leases-test", "1", &settings, SystemClock::shared()).expect("the defaults are sound")
}

/// Opens the file as a process that has just started does.
async fn open(folder: &Path) -> SqliteLeaseStore {
    let clock: SharedClock = ManualClock::at(NOON);
    let file = folder.join("leases.db");
    let sql = Sqlite::open(file, SqliteSettings::default(), telemetry(), clock)
        .await
        .expect("the file opens");
    SqliteLeaseStore::open(sql).await.expect("the schema is made")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for the test")
}
