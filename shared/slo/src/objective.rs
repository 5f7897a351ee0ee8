use std::time::Duration;

use crate::{Selector, SloError, openslo};

/// What one service promises.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceObjectives {
    /// The service's name: also its Prometheus job and its folder under `services/`.
    pub service: String,
    /// What people call it.
    pub title: String,
    /// What it is for, in one sentence.
    pub description: String,
    /// Its objectives, as ordered in the file.
    pub objectives: Vec<Objective>,
}

/// One promise: of all that `total` counts, at least the share `target` is also counted by `good`, over `window`.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Its name, `service-what`, also the name of its runbook.
    pub name: String,
    /// The service that promises it.
    pub service: String,
    /// What people call it.
    pub title: String,
    /// What is counted, in one sentence.
    pub description: String,
    /// The share that must be good: 0.9995.
    pub target: f64,
    /// Over how long.
    pub window: Duration,
    /// Counts what was good.
    pub good: Selector,
    /// Counts all.
    pub total: Selector,
}

impl ServiceObjectives {
    /// Reads OpenSLO v1: one `Service`, and its `SLO` documents.
    ///
    /// # Errors
    ///
    /// A field that OpenSLO does not have, or one that would not be honoured, is refused by name.
    pub fn parse(yaml: &str) -> Result<Self, SloError> {
        openslo::parse(yaml)
    }
}

impl Objective {
    /// The share that may be bad: 0.0005.
    pub fn budget(&self) -> f64 {
        1.0 - self.target
    }
}
