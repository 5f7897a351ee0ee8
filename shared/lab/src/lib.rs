#![doc = include_str!("../README.md")]

mod bench;
mod error;
mod figure;
mod meter;
mod report;
mod service;

pub use bench::Bench;
pub use error::LabError;
pub use figure::{Figure, FigureKind};
pub use meter::{Meter, Metered, Waits};
pub use report::{Arm, Column, Report, count, milliseconds};
pub use service::Service;

use std::time::Duration;

use async_trait::async_trait;

/// How long a lab may take, all its arms together.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// One experiment in two or more arms.
#[async_trait]
pub trait Lab: Send + Sync {
    /// Its name on the command line; also the name of its page in the playbook.
    fn name(&self) -> &'static str;

    /// What it shows, in one line.
    fn about(&self) -> &'static str;

    /// The pattern that one arm has and another has not.
    fn pattern(&self) -> &'static str;

    /// Runs every arm under the same load.
    async fn run(&self, bench: &Bench) -> Result<Report, LabError>;
}

/// Runs a lab within `deadline`.
pub async fn run(lab: &dyn Lab, bench: &Bench, deadline: Duration) -> Result<Report, LabError> {
    match tokio::time::timeout(deadline, lab.run(bench)).await {
        Ok(report) => report,
        Err(_) => Err(LabError::DeadlineExceeded(deadline.as_secs())),
    }
}
