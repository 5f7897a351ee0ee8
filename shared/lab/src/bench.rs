//! What a lab works with.

use std::path::Path;

use clock::SharedClock;
use telemetry::Telemetry;
use tempfile::TempDir;

use crate::LabError;

/// What a lab works with. The scratch folder is gone when this is dropped.
#[derive(Debug)]
pub struct Bench {
    /// Decides arrivals and keys: the same in every arm.
    pub seed: u64,
    /// A short form of the same experiment, for tests and the impatient.
    pub brief: bool,
    /// A Redis to use where a lab wants one; without it the lab says what stands in.
    pub redis: Option<String>,
    /// A PostgreSQL to use: `postgres://USER@HOST:PORT/DATABASE`. Nothing stands in for one.
    pub postgres: Option<String>,
    /// Time.
    pub clock: SharedClock,
    /// Where engines report.
    pub telemetry: Telemetry,
    scratch: TempDir,
}

impl Bench {
    /// A bench without engines, for the full form.
    pub fn new(seed: u64, clock: SharedClock, telemetry: Telemetry) -> Result<Self, LabError> {
        let scratch = tempfile::Builder::new()
            .prefix("orrery-lab-")
            .tempdir()
            .map_err(LabError::while_("making a scratch folder"))?;
        Ok(Self {
            seed,
            brief: false,
            redis: None,
            postgres: None,
            clock,
            telemetry,
            scratch,
        })
    }

    /// The folder for files of this run.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// `full`, or `brief` in the short form.
    pub fn either<T>(&self, full: T, brief: T) -> T {
        if self.brief { brief } else { full }
    }
}
